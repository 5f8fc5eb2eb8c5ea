//! Order within groups, and messages sent twice.

use std::time::Duration;

use sealmq_queue_core::{Delivery, Message};

use crate::outcome::CaseResult;
use crate::transport::case::case_table;
use crate::transport::queue::refused;
use crate::transport::{Case, Ctx, Queue, QueueKind, QueueSpec, Reader};

use super::support::{bodies, body_text, check_invalid};

pub(super) const CASES: &[Case] = case_table! { "ordering":
    fifo_order_within_group [Settlement, OrderedGroups];
    group_blocked_while_in_flight [Settlement, OrderedGroups];
    groups_progress_independently [Settlement, OrderedGroups];
    retry_keeps_group_order [Settlement, OrderedGroups];
    delayed_retry_keeps_group_order [Settlement, OrderedGroups, DelayedAbandon];
    fifo_missing_group_rejected [OrderedGroups];
    dedup_same_id_within_window [Deduplication];
    dedup_id_independent_of_ciphertext [Deduplication];
};

/// A queue of ordered groups, open.
async fn ordered(ctx: &Ctx) -> CaseResult<(Queue, Reader)> {
    let kind = QueueKind::OrderedGroups;
    let queue = ctx.queue_with(QueueSpec { kind, ..ctx.spec() }).await?;
    let reader = queue.reader().await?;
    Ok((queue, reader))
}

/// Sends to each group, in order: `[("a", "a1"), …]`.
async fn send_to_groups(queue: &Queue, messages: &[(&str, &str)]) -> CaseResult {
    for (group, body) in messages {
        let message = Message::new((*body).to_owned()).with_session_id(*group);
        queue.send(message).await?;
    }
    Ok(())
}

/// The next delivery, which must have this body.
async fn next(reader: &Reader, body: &str) -> CaseResult<Delivery> {
    let delivery = reader.one().await?;
    check_eq!(body_text(&delivery.message), body, "the group goes on where it stopped");
    Ok(delivery)
}

/// The messages of a group are received in the order in which they were sent.
async fn fifo_order_within_group(ctx: Ctx) -> CaseResult {
    let (queue, reader) = ordered(&ctx).await?;
    let sent: Vec<_> =
        queue.messages(20).into_iter().map(|message| message.with_session_id("orders")).collect();
    queue.send_all(sent.clone()).await?;
    let mut received = Vec::new();
    while received.len() < sent.len() {
        let batch = reader.exactly(1).await?;
        received.extend(reader.complete_all(batch).await?);
    }
    let ids = |messages: &[Message]| -> Vec<String> {
        messages.iter().map(|message| message.id.clone()).collect()
    };
    check_eq!(ids(&received), ids(&sent), "a group keeps its order");
    reader.nothing("the whole group was received").await
}

/// While one message of a group is in flight, the next waits, for every reader.
async fn group_blocked_while_in_flight(ctx: Ctx) -> CaseResult {
    let (queue, reader) = ordered(&ctx).await?;
    let other = queue.reader().await?;
    send_to_groups(&queue, &[("a", "a1"), ("a", "a2")]).await?;
    let held = next(&reader, "a1").await?;
    reader.nothing("the group waits for its message in flight").await?;
    other.nothing("the group waits for its message in flight").await?;
    reader.complete(held).await?;
    let held = next(&other, "a2").await?;
    other.complete(held).await?;
    Ok(())
}

/// A group that waits does not hold up the others.
async fn groups_progress_independently(ctx: Ctx) -> CaseResult {
    let (queue, reader) = ordered(&ctx).await?;
    send_to_groups(&queue, &[("a", "a1"), ("a", "a2")]).await?;
    let held = next(&reader, "a1").await?;
    send_to_groups(&queue, &[("b", "b1"), ("b", "b2")]).await?;
    for body in ["b1", "b2"] {
        let delivery = next(&reader, body).await?;
        reader.complete(delivery).await?;
    }
    reader.complete(held).await?;
    let rest = reader.take_all(1).await?;
    check_eq!(bodies(&rest), ["a2"], "the group goes on where it stopped");
    Ok(())
}

/// An abandoned message comes again before the rest of its group.
async fn retry_keeps_group_order(ctx: Ctx) -> CaseResult {
    abandoned_comes_first(&ctx, Duration::ZERO).await
}

/// A message abandoned with a delay holds its group back meanwhile.
async fn delayed_retry_keeps_group_order(ctx: Ctx) -> CaseResult {
    abandoned_comes_first(&ctx, ctx.timing().short_lock).await
}

async fn abandoned_comes_first(ctx: &Ctx, delay: Duration) -> CaseResult {
    let (queue, reader) = ordered(ctx).await?;
    send_to_groups(&queue, &[("a", "a1"), ("a", "a2")]).await?;
    next(&reader, "a1").await?.receipt.abandon(delay).await?;
    for body in ["a1", "a2"] {
        let delivery = next(&reader, body).await?;
        reader.complete(delivery).await?;
    }
    reader.nothing("the whole group was received").await
}

/// A queue of ordered groups refuses a message without a group.
async fn fifo_missing_group_rejected(ctx: Ctx) -> CaseResult {
    let (queue, reader) = ordered(&ctx).await?;
    let message = Message::new("belongs nowhere");
    let failure = refused(queue.try_send(message.clone()).await?)?;
    check_invalid(&failure.error, "session_id")?;
    check_eq!(*failure.message, message, "a refused message is given back");
    reader.nothing("the message was refused").await
}

/// A queue that drops duplicates, open.
async fn deduplicating(ctx: &Ctx) -> CaseResult<(Queue, Reader)> {
    let queue = ctx.queue_with(QueueSpec { deduplicates: true, ..ctx.spec() }).await?;
    let reader = queue.reader().await?;
    Ok((queue, reader))
}

/// A message that is sent again is accepted and dropped, also after the first was completed.
async fn dedup_same_id_within_window(ctx: Ctx) -> CaseResult {
    let (queue, reader) = deduplicating(&ctx).await?;
    let message = queue.message("only once");
    let first = queue.send(message.clone()).await?;
    check!(!first.duplicate, "the first message is no duplicate");
    let second = queue.send(message.clone()).await?;
    reader.take_all(1).await?;
    let third = queue.send(message).await?;
    reader.nothing("a message sent again is dropped").await?;
    if ctx.expectations().reports_duplicates {
        check!(second.duplicate && third.duplicate, "the receipt of a dropped message says so");
    }
    Ok(())
}

/// The id alone decides: sealing the same message anew gives other bytes under the same id.
async fn dedup_id_independent_of_ciphertext(ctx: Ctx) -> CaseResult {
    let (queue, reader) = deduplicating(&ctx).await?;
    let sealed = queue.message("ciphertext one");
    let mut sealed_anew = sealed.clone();
    sealed_anew.body = "ciphertext two".into();
    let mut same_bytes = queue.message("ciphertext one");
    same_bytes.session_id = sealed.session_id.clone();
    for message in [sealed.clone(), sealed_anew, same_bytes.clone()] {
        queue.send(message).await?;
    }
    let mut taken = reader.take_all(2).await?;
    taken.sort_by(|a, b| a.id.cmp(&b.id));
    check_eq!(taken[0].id, sealed.id, "the first of an id arrives");
    check_eq!(taken[1].id, same_bytes.id, "the same bytes of another id arrive");
    check_eq!(
        bodies(&taken),
        ["ciphertext one", "ciphertext one"],
        "other bytes under the same id are dropped"
    );
    Ok(())
}
