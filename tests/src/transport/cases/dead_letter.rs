//! Dead-lettering: a message moves as it is, with its reason, and can be moved back.

use std::time::Duration;

use sealmq_queue_core::{DeadLetterInfo, Feature, Message};

use crate::outcome::{CaseResult, Stop};
use crate::transport::case::case_table;
use crate::transport::{Case, Ctx, Queue, QueueSpec, Reader};

use super::support::{bodies, check_same};

pub(super) const CASES: &[Case] = case_table! { "dead_letter":
    dead_letter_moves_with_reason [Settlement, DeadLetter];
    dead_letter_body_and_headers_intact [Settlement, DeadLetter];
    max_delivery_exhaustion_reaches_dlq_or_is_reported [Settlement, MaxDeliveries, DeadLetter];
    dlq_receive_and_complete [Settlement, DeadLetter];
    dlq_redrive_once [Settlement, DeadLetter, Redrive];
    dlq_redrive_moves_at_most_max [Settlement, DeadLetter, Redrive];
    dlq_redrive_is_not_dropped_as_duplicate [Settlement, DeadLetter, Redrive, Deduplication];
    dead_letter_when_dlq_unavailable_keeps_original [Settlement, DeadLetter];
};

const REASON: &str = "AuthenticationFailed";
const DESCRIPTION: &str = "the body was changed; see \"operations\", 3.1";

/// Sends the messages and dead-letters each of them.
async fn dead_lettered(ctx: &Ctx, sent: Vec<Message>, queue: &Queue) -> CaseResult<Reader> {
    let reader = queue.reader().await?;
    let count = sent.len();
    queue.send_all(sent).await?;
    for delivery in reader.exactly(count).await? {
        let certainty = delivery.receipt.dead_letter(REASON, DESCRIPTION).await?;
        check_eq!(
            certainty,
            ctx.expectations().certainty,
            "dead-lettering is as certain as the transport declares"
        );
    }
    Ok(reader)
}

/// A dead-lettered message leaves its queue and stands in the dead-letter queue with its reason.
async fn dead_letter_moves_with_reason(ctx: Ctx) -> CaseResult {
    let queue = ctx.short_lock_queue().await?;
    let reader = dead_lettered(&ctx, queue.messages(1), &queue).await?;
    let dead_letters = queue.dead_letters().await?;
    let dead = dead_letters.one().await?;
    check_eq!(
        dead.receipt.metadata().dead_letter,
        Some(DeadLetterInfo { reason: Some(REASON.into()), description: Some(DESCRIPTION.into()) }),
        "reason and description stand on the dead-lettered message"
    );
    dead_letters.complete(dead).await?;
    ctx.outlast_short_lock().await;
    reader.nothing("the message left its queue").await
}

/// Body, ids, metadata and attributes of a dead-lettered message are those that were sent.
async fn dead_letter_body_and_headers_intact(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let body: Vec<u8> = (0..=255).collect();
    let sent = queue
        .message(body)
        .with_correlation_id("request-17")
        .with_reply_to("answers")
        .with_message_type("OrderPlaced")
        .with_content_type("application/octet-stream")
        .with_attribute("tenant", "acme")
        .with_attribute("umlaut", "Grüße");
    dead_lettered(&ctx, vec![sent.clone()], &queue).await?;
    let dead_letters = queue.dead_letters().await?;
    let dead = dead_letters.one().await?;
    check_same(&dead.message, &sent)?;
    dead_letters.complete(dead).await?;
    Ok(())
}

/// A message that was delivered too often is dead-lettered instead of being handed out again.
async fn max_delivery_exhaustion_reaches_dlq_or_is_reported(ctx: Ctx) -> CaseResult {
    const DELIVERIES: u32 = 3;
    let queue =
        ctx.queue_with(QueueSpec { max_deliveries: Some(DELIVERIES), ..ctx.spec() }).await?;
    let reader = queue.reader().await?;
    let sent = queue.message("poison");
    queue.send(sent.clone()).await?;
    for _ in 0..DELIVERIES {
        reader.one().await?.receipt.abandon(Duration::ZERO).await?;
    }
    reader.nothing("it was delivered as often as is allowed").await?;
    let dead_letters = queue.dead_letters().await?;
    let dead = dead_letters.one().await?;
    check_same(&dead.message, &sent)?;
    if let Some(reason) = ctx.expectations().exhausted_reason {
        let info = dead.receipt.metadata().dead_letter.clone();
        check_eq!(
            info.and_then(|info| info.reason).as_deref(),
            Some(reason),
            "the broker says why it dead-lettered the message"
        );
    }
    dead_letters.complete(dead).await?;
    Ok(())
}

/// The dead-letter queue is a queue: what is abandoned there comes again, what is completed is gone.
async fn dlq_receive_and_complete(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    dead_lettered(&ctx, queue.messages(2), &queue).await?;
    let dead_letters = queue.dead_letters().await?;
    let mut dead = dead_letters.exactly(2).await?;
    let abandoned = dead.remove(0);
    let id = abandoned.message.id.clone();
    abandoned.receipt.abandon(Duration::ZERO).await?;
    dead_letters.complete(dead.remove(0)).await?;
    let again = dead_letters.one().await?;
    check_eq!(again.message.id, id, "what was abandoned comes again");
    dead_letters.complete(again).await?;
    dead_letters.nothing("both dead letters were completed").await
}

/// A redriven message is back in its queue as it was, once, as if it had never been delivered.
async fn dlq_redrive_once(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let sent = queue.message("second chance").with_attribute("tenant", "acme");
    let reader = dead_lettered(&ctx, vec![sent.clone()], &queue).await?;
    let moved = ctx.transport().redrive(queue.address(), 10).await?;
    check_eq!(moved, 1, "redrive says how many messages it moved");
    let again = reader.one().await?;
    check_same(&again.message, &sent)?;
    let metadata = again.receipt.metadata();
    check_eq!(metadata.dead_letter, None, "it is no dead letter any more");
    if ctx.has(Feature::DeliveryCount) {
        check_eq!(metadata.delivery_count, 1, "its deliveries count anew");
    }
    reader.complete(again).await?;
    reader.nothing("it was moved once").await?;
    queue.dead_letters().await?.nothing("it left the dead-letter queue").await?;
    let moved = ctx.transport().redrive(queue.address(), 10).await?;
    check_eq!(moved, 0, "there is nothing left to move");
    Ok(())
}

/// No more messages are moved back than asked for.
async fn dlq_redrive_moves_at_most_max(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let sent = queue.messages(5);
    let reader = dead_lettered(&ctx, sent.clone(), &queue).await?;
    let moved = ctx.transport().redrive(queue.address(), 3).await?;
    check_eq!(moved, 3, "as many are moved as were asked for");
    let mut all = reader.take_all(3).await?;
    all.extend(queue.dead_letters().await?.take_all(2).await?);
    check_eq!(bodies(&all), bodies(&sent), "each message is in one of the queues");
    Ok(())
}

/// A queue that drops duplicates takes a redriven message back all the same.
async fn dlq_redrive_is_not_dropped_as_duplicate(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue_with(QueueSpec { deduplicates: true, ..ctx.spec() }).await?;
    let sent = queue.messages(1);
    let reader = dead_lettered(&ctx, sent.clone(), &queue).await?;
    let moved = ctx.transport().redrive(queue.address(), 1).await?;
    check_eq!(moved, 1, "the message is moved");
    let taken = reader.take_all(1).await?;
    check_eq!(taken[0].id, sent[0].id, "the redriven message keeps its id");
    Ok(())
}

/// A message that cannot be moved to the dead-letter queue stays where it is.
async fn dead_letter_when_dlq_unavailable_keeps_original(ctx: Ctx) -> CaseResult {
    let queue = ctx.short_lock_queue().await?;
    let reader = queue.reader().await?;
    let sent = queue.message("nowhere to go");
    queue.send(sent.clone()).await?;
    let held = reader.one().await?;
    ctx.harness().break_dead_letter_queue(queue.address()).await?;
    let Err(failed) = held.receipt.dead_letter(REASON, DESCRIPTION).await else {
        return Err(Stop::broken("without its queue a dead letter cannot be moved"));
    };
    drop(failed);
    ctx.outlast_short_lock().await;
    let again = reader.one().await?;
    check_same(&again.message, &sent)?;
    reader.complete(again).await?;
    Ok(())
}
