//! Looking at messages without locking them, and setting them aside.

use sealmq_queue_core::Feature;

use crate::outcome::{CaseResult, Stop};
use crate::transport::case::case_table;
use crate::transport::{Case, Ctx};

use super::support::{bodies, check_same};

pub(super) const CASES: &[Case] = case_table! { "peek_defer":
    peek_does_not_lock [Peek];
    peek_pages_from_sequence_number [Peek];
    peek_empty [Peek];
    defer_then_receive_by_sequence [Settlement, Defer];
};

/// Messages that were peeked at are received as if nobody had looked.
async fn peek_does_not_lock(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    let sent = queue.message("in plain sight").with_attribute("tenant", "acme");
    queue.send(sent.clone()).await?;
    for _ in 0..2 {
        let peeked = ctx.transport().peek(&queue.source(), 0, 10).await?;
        check_eq!(peeked.len(), 1, "a message can be looked at again and again");
        check_same(&peeked[0].message, &sent)?;
    }
    let delivery = reader.one().await?;
    let count = delivery.receipt.metadata().delivery_count;
    check_eq!(count, 1, "looking does not count as a delivery");
    reader.complete(delivery).await?;
    let peeked = ctx.transport().peek(&queue.source(), 0, 10).await?;
    check!(peeked.is_empty(), "a completed message cannot be seen");
    Ok(())
}

/// Peeking starts at a sequence number and stops at `max`.
async fn peek_pages_from_sequence_number(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let sent = queue.messages(5);
    queue.send_all(sent.clone()).await?;
    let mut seen = Vec::new();
    let mut from = 0;
    loop {
        let page = ctx.transport().peek(&queue.source(), from, 2).await?;
        check!(page.len() <= 2, "a page holds no more than asked for");
        let Some(last) = page.last() else { break };
        let number = last.metadata.sequence_number;
        let number = number.ok_or_else(|| Stop::broken("a peeked message has its number"))?;
        check!(number >= from, "a page begins where it was asked to");
        from = number + 1;
        seen.extend(page.into_iter().map(|peeked| peeked.message));
    }
    check_eq!(bodies(&seen), bodies(&sent), "the pages show each message once");
    Ok(())
}

/// There is nothing to see in an empty queue.
async fn peek_empty(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let peeked = ctx.transport().peek(&queue.source(), 0, 10).await?;
    check!(peeked.is_empty(), "an empty queue shows nothing");
    if ctx.has(Feature::DeadLetter) {
        let dead_letters = queue.dead_letter_source();
        let peeked = ctx.transport().peek(&dead_letters, 0, 10).await?;
        check!(peeked.is_empty(), "an empty dead-letter queue shows nothing");
    }
    Ok(())
}

/// A deferred message comes by its sequence number only, until it is completed.
async fn defer_then_receive_by_sequence(ctx: Ctx) -> CaseResult {
    let queue = ctx.short_lock_queue().await?;
    let reader = queue.reader().await?;
    let sent = queue.message("set aside").with_attribute("tenant", "acme");
    queue.send(sent.clone()).await?;
    let delivery = reader.one().await?;
    let number = delivery.receipt.metadata().sequence_number;
    let number = number.ok_or_else(|| Stop::broken("a delivery has a number to defer it by"))?;
    delivery.receipt.defer().await?;
    ctx.outlast_short_lock().await;
    reader.nothing("a deferred message does not come by itself").await?;
    let deferred = reader.receiver().recv_deferred(number).await?;
    let deferred = deferred.ok_or_else(|| Stop::broken("it comes by its number"))?;
    check_same(&deferred.message, &sent)?;
    deferred.receipt.complete().await?;
    ctx.outlast_short_lock().await;
    let gone = reader.receiver().recv_deferred(number).await?;
    check!(gone.is_none(), "a completed message is not there any more");
    reader.nothing("a completed message does not come again").await
}
