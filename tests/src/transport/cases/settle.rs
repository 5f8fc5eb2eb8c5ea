//! Settling: a delivery ends as its receipt says, once, and comes again until then.

use std::time::Duration;

use sealmq_queue_core::Delivery;

use crate::outcome::{CaseResult, Stop};
use crate::transport::case::case_table;
use crate::transport::{Case, Ctx, Queue, Reader};

pub(super) const CASES: &[Case] = case_table! { "settle":
    complete_prevents_redelivery_after_lock [Settlement];
    complete_reports_declared_certainty [Settlement];
    unsettled_redelivered_after_lock_expiry [Settlement];
    retry_redelivers_promptly [Settlement];
    retry_with_delay_not_before_not_too_late [Settlement, DelayedAbandon];
    retry_increments_delivery_count [Settlement, DeliveryCount];
    first_delivery_count_is_1 [DeliveryCount];
    settle_from_other_task_while_recv_pending [Settlement];
    settle_after_receiver_stopped [Settlement];
    drop_without_settle_redelivers [Settlement];
};

/// One delivery of a queue whose locks run out soon.
pub(super) async fn one_delivery(ctx: &Ctx) -> CaseResult<(Queue, Reader, Delivery)> {
    let queue = ctx.short_lock_queue().await?;
    let reader = queue.reader().await?;
    queue.send(queue.message("to settle")).await?;
    let delivery = reader.one().await?;
    Ok((queue, reader, delivery))
}

/// A completed message does not come again, not even after its lock.
async fn complete_prevents_redelivery_after_lock(ctx: Ctx) -> CaseResult {
    let (_, reader, delivery) = one_delivery(&ctx).await?;
    delivery.receipt.complete().await?;
    ctx.outlast_short_lock().await;
    reader.nothing("a completed message does not come again").await
}

/// A settlement says how sure it is, as declared.
async fn complete_reports_declared_certainty(ctx: Ctx) -> CaseResult {
    let (_, _, delivery) = one_delivery(&ctx).await?;
    let certainty = delivery.receipt.complete().await?;
    check_eq!(
        certainty,
        ctx.expectations().certainty,
        "completing is as certain as the transport declares"
    );
    Ok(())
}

/// A message nobody settled comes again once its lock has run out, and not before.
async fn unsettled_redelivered_after_lock_expiry(ctx: Ctx) -> CaseResult {
    let (_, reader, held) = one_delivery(&ctx).await?;
    let lock = ctx.timing().short_lock;
    let while_locked = reader.recv(1, lock / 2).await?;
    check!(while_locked.is_empty(), "a locked message is not delivered");
    ctx.sleep(lock / 2).await;
    let again = reader.one().await?;
    check_eq!(again.message.id, held.message.id, "a message whose lock ran out comes again");
    reader.complete(again).await?;
    Ok(())
}

/// An abandoned message comes again at once, well before its lock would have run out.
async fn retry_redelivers_promptly(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    queue.send(queue.message("once more")).await?;
    let first = reader.one().await?;
    let id = first.message.id.clone();
    let (again, took) = ctx
        .timed(async {
            first.receipt.abandon(Duration::ZERO).await?;
            reader.one().await
        })
        .await;
    let again = again?;
    check_eq!(again.message.id, id, "the abandoned message comes again");
    let slack = ctx.timing().slack;
    check!(took <= slack, "it comes at once, but took {took:?}");
    reader.complete(again).await?;
    Ok(())
}

/// A message abandoned with a delay comes again when the delay is over, once.
async fn retry_with_delay_not_before_not_too_late(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    let delay = ctx.timing().short_lock;
    queue.send(queue.message("later")).await?;
    let first = reader.one().await?;
    let id = first.message.id.clone();
    let (again, took) = ctx
        .timed(async {
            first.receipt.abandon(delay).await?;
            reader.one().await
        })
        .await;
    let again = again?;
    check_eq!(again.message.id, id, "the abandoned message comes again");
    check!(took >= delay, "not before {delay:?}, but it took {took:?}");
    let latest = delay + ctx.timing().slack;
    check!(took <= latest, "not after {latest:?}, but it took {took:?}");
    reader.complete(again).await?;
    reader.nothing("the message came again once").await
}

/// Each delivery counts one more, whether the last one was abandoned or ran out.
async fn retry_increments_delivery_count(ctx: Ctx) -> CaseResult {
    let (_, reader, mut delivery) = one_delivery(&ctx).await?;
    for expected in 2..=4 {
        if expected == 4 {
            ctx.outlast_short_lock().await;
        } else {
            delivery.receipt.abandon(Duration::ZERO).await?;
        }
        delivery = reader.one().await?;
        let count = delivery.receipt.metadata().delivery_count;
        check_eq!(count, expected, "each delivery counts one more");
    }
    reader.complete(delivery).await?;
    Ok(())
}

/// The first delivery is number one.
async fn first_delivery_count_is_1(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    queue.send(queue.message("new")).await?;
    let delivery = reader.one().await?;
    let count = delivery.receipt.metadata().delivery_count;
    check_eq!(count, 1, "the count includes this delivery");
    reader.complete(delivery).await?;
    Ok(())
}

/// Settling does not wait for a `recv` that is pending on the same receiver.
async fn settle_from_other_task_while_recv_pending(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    queue.send(queue.message("held")).await?;
    let held = reader.one().await?;
    let wait = ctx.timing().patience;
    let settle = async {
        ctx.sleep(ctx.timing().quiet).await; // by now the other task waits in recv
        let (outcome, took) = ctx.timed(held.receipt.complete()).await;
        outcome?;
        queue.send(queue.message("wakes recv")).await?;
        Ok::<_, Stop>(took)
    };
    let (pending, took) = tokio::join!(reader.recv(1, wait), settle);
    let took = took?;
    check!(took < wait / 4, "settling does not wait for the pending recv, but took {took:?}");
    let pending = pending?;
    check_eq!(pending.len(), 1, "the pending recv goes on meanwhile");
    reader.complete_all(pending).await?;
    Ok(())
}

/// A delivery that was handed out can be settled after its receiver was closed.
async fn settle_after_receiver_stopped(ctx: Ctx) -> CaseResult {
    let (queue, reader, delivery) = one_delivery(&ctx).await?;
    reader.close().await?;
    delivery.receipt.complete().await?;
    ctx.outlast_short_lock().await;
    let reader = queue.reader().await?;
    reader.nothing("it was completed after the receiver closed").await
}

/// A delivery that is dropped settles nothing: the message comes again after its lock.
async fn drop_without_settle_redelivers(ctx: Ctx) -> CaseResult {
    let (_, reader, delivery) = one_delivery(&ctx).await?;
    let id = delivery.message.id.clone();
    drop(delivery);
    let (again, took) = ctx.timed(reader.one()).await;
    let again = again?;
    check_eq!(again.message.id, id, "a dropped delivery comes again");
    let latest = ctx.timing().short_lock + ctx.timing().slack;
    check!(took <= latest, "after its lock, but it took {took:?}");
    reader.complete(again).await?;
    Ok(())
}
