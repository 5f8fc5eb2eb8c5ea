//! Batches: of any size, reported message by message in their order.

use std::collections::BTreeSet;
use std::time::Duration;

use sealmq_queue_core::{Feature, Message, Receipt, SettleError, Settlement, TransportErrorKind};

use crate::outcome::{CaseResult, Stop};
use crate::transport::case::case_table;
use crate::transport::queue::refused;
use crate::transport::{AfterLockLost, Case, Ctx, QueueSpec};

use super::support::{bodies, body_text, check_invalid};

pub(super) const CASES: &[Case] = case_table! { "batch":
    batch_send_chunks_25 [];
    batch_send_reports_index_aligned_partial_failure [];
    batch_total_size_limit_split [] slow;
    batch_oversized_entry_rejects_before_sending_any [];
    batch_invalid_entry_rejects_before_sending_any [];
    batch_settle_mixed_outcomes [Settlement];
    batch_empty_is_noop [];
};

/// The most bytes that a test of a limit sends.
const MOST_BYTES_TESTED: usize = 64 << 20;

fn ids(messages: &[Message]) -> BTreeSet<String> {
    messages.iter().map(|message| message.id.clone()).collect()
}

/// A batch larger than one request of the broker is sent in several.
async fn batch_send_chunks_25(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    let sent = queue.messages(25);
    queue.send_all(sent.clone()).await?;
    let taken = reader.take_all(25).await?;
    check_eq!(bodies(&taken), bodies(&sent), "the whole batch arrives");
    Ok(())
}

/// What the broker refuses of a batch it refuses message by message, each in its place.
async fn batch_send_reports_index_aligned_partial_failure(ctx: Ctx) -> CaseResult {
    let spec = QueueSpec { max_messages: Some(3), ..ctx.spec() };
    let queue = ctx.queue_with(spec).await?;
    let reader = queue.reader().await?;
    let mut sent = queue.messages(6);
    if ctx.expectations().refuses_whole_requests {
        // No two of them fit into one request.
        let body_bytes = ctx.capabilities().limits.max_body_bytes(0) / 5 * 3;
        for (message, filling) in sent.iter_mut().zip(b'a'..) {
            message.body = vec![filling; body_bytes].into();
        }
    }
    let report = queue.try_send_all(sent.clone()).await?;
    let mut stored = Vec::new();
    for (message, result) in sent.iter().zip(report) {
        match result {
            Ok(_) => stored.push(message.clone()),
            Err(failure) => {
                check_eq!(
                    *failure.message,
                    *message,
                    "each failure gives back the message in its place"
                );
                check_matches!(
                    failure.error.kind(),
                    TransportErrorKind::Throttled { .. },
                    "a full queue refuses for now"
                );
                check!(failure.error.is_retryable(), "a full queue may be retried");
            }
        }
    }
    check_eq!(stored.len(), 3, "three messages fit, whatever came with them");
    let taken = reader.take_all(stored.len()).await?;
    check_eq!(
        ids(&taken),
        ids(&stored),
        "exactly the messages reported as accepted are in the queue"
    );
    Ok(())
}

/// A batch that is too large for one request, though each message is not, is split.
async fn batch_total_size_limit_split(ctx: Ctx) -> CaseResult {
    let limits = &ctx.capabilities().limits;
    let body_bytes = limits.max_body_bytes(0) / 5 * 2;
    if body_bytes > MOST_BYTES_TESTED / 4 {
        return Err(Stop::skip("requests are not limited, or not by a size to test"));
    }
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    let messages = (0..4u8).map(|filling| queue.message(vec![filling; body_bytes]));
    let sent: Vec<_> = messages.collect();
    queue.send_all(sent.clone()).await?;
    let taken = reader.take_all(4).await?;
    check_eq!(ids(&taken), ids(&sent), "every message of the batch arrives");
    Ok(())
}

/// A batch with this message in the middle is refused as a whole; gives the error of that message.
async fn rejects_all(
    ctx: &Ctx,
    spoil: impl Fn(&mut Message),
) -> CaseResult<sealmq_queue_core::TransportError> {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    let mut sent = queue.messages(3);
    spoil(&mut sent[1]);
    let mut errors = Vec::new();
    for (message, result) in sent.iter().zip(queue.try_send_all(sent.clone()).await?) {
        let failure = refused(result)?;
        check!(*failure.message == *message, "each failure gives back the message in its place");
        errors.push(failure.error);
    }
    check_invalid(&errors[0], "batch")?;
    check_invalid(&errors[2], "batch")?;
    reader.nothing("nothing of a batch is sent when one message of it is invalid").await?;
    Ok(errors.remove(1))
}

/// One message over the limit keeps the whole batch from being sent.
async fn batch_oversized_entry_rejects_before_sending_any(ctx: Ctx) -> CaseResult {
    let limit = ctx.capabilities().limits.max_body_bytes(0);
    if limit > MOST_BYTES_TESTED {
        return Err(Stop::skip("bodies are not limited, or not by a size to test"));
    }
    let error = rejects_all(&ctx, |message| message.body = vec![0; limit + 1].into()).await?;
    check_matches!(
        error.kind(),
        TransportErrorKind::TooLarge { .. },
        "the message that is too large says so"
    );
    Ok(())
}

/// One invalid message keeps the whole batch from being sent.
async fn batch_invalid_entry_rejects_before_sending_any(ctx: Ctx) -> CaseResult {
    let error = rejects_all(&ctx, |message| message.id = "not an id".into()).await?;
    check_invalid(&error, "id")
}

/// Deliveries settled as one batch end as each was settled, and report in their order.
async fn batch_settle_mixed_outcomes(ctx: Ctx) -> CaseResult {
    let queue = ctx.short_lock_queue().await?;
    let reader = queue.reader().await?;
    queue.send_all(queue.messages(4)).await?;
    let lost = reader.exactly(4).await?;
    ctx.outlast_short_lock().await;
    let mut held = reader.exactly(4).await?;
    held.sort_by_key(|delivery| body_text(&delivery.message));
    let stale = lost.into_iter().find(|d| d.message.id == held[1].message.id);
    let stale = stale.ok_or_else(|| Stop::broken("the same messages come again"))?;

    let settlements = [
        Settlement::Complete,
        Settlement::Abandon { delay: Duration::ZERO },
        Settlement::Complete,
        last_settlement(&ctx),
    ];
    let receipts = held.into_iter().map(|delivery| delivery.receipt);
    let mut batch: Vec<(Receipt, Settlement)> = receipts.zip(settlements).collect();
    let tests_failure = ctx.expectations().after_lock_lost == AfterLockLost::LockLost;
    if tests_failure {
        batch.insert(1, (stale.receipt, Settlement::Complete));
    }
    let mut results = reader.receiver().settle_batch(batch).await;
    if tests_failure {
        let result = results.remove(1);
        let SettleError { error, receipt } = result
            .err()
            .ok_or_else(|| Stop::broken("the settlement of a lost lock fails, in its place"))?;
        check_eq!(error.kind(), &TransportErrorKind::LockLost, "the lock was lost");
        if ctx.has(Feature::DeliveryCount) {
            let count = receipt.metadata().delivery_count;
            check_eq!(count, 1, "the receipt that failed is given back, not another");
        }
    }
    check_eq!(results.len(), 4, "each settlement has its result");
    for result in results {
        result?;
    }

    let abandoned = reader.one().await?;
    check_eq!(
        body_text(&abandoned.message),
        "message 1",
        "only the abandoned delivery comes again"
    );
    reader.complete(abandoned).await?;
    ctx.outlast_short_lock().await;
    reader.nothing("every delivery was settled").await?;
    if ctx.has(Feature::DeadLetter) {
        let dead = queue.dead_letters().await?.take_all(1).await?;
        check_eq!(bodies(&dead), ["message 3"], "the dead-lettered delivery moved");
    }
    Ok(())
}

fn last_settlement(ctx: &Ctx) -> Settlement {
    match ctx.has(Feature::DeadLetter) {
        true => Settlement::DeadLetter {
            reason: "Unreadable".into(),
            description: "one of a batch".into(),
        },
        false => Settlement::Complete,
    }
}

/// An empty batch does nothing, so that not even the queue has to exist.
async fn batch_empty_is_noop(ctx: Ctx) -> CaseResult {
    let missing = ctx.missing_queue()?;
    let report = ctx.transport().send(&missing, Vec::new()).await;
    check!(report.is_empty(), "an empty batch has an empty report");
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    let results = reader.receiver().settle_batch(Vec::new()).await;
    check!(results.is_empty(), "no settlement has no result");
    reader.nothing("nothing was sent").await
}
