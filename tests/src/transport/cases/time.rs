//! Time: messages that are held back, and messages that expire.

use std::time::Duration;

use sealmq_queue_core::SendReceipt;

use crate::outcome::{CaseResult, Stop};
use crate::transport::case::case_table;
use crate::transport::queue::refused;
use crate::transport::{Case, Ctx, Queue, Reader};

use super::support::check_invalid;

pub(super) const CASES: &[Case] = case_table! { "time":
    scheduled_not_visible_before_due [ScheduledSend];
    delay_of_zero_is_no_delay [ScheduledSend];
    cancel_scheduled [ScheduledSend, CancelScheduled];
    cancel_scheduled_too_late_says_no [ScheduledSend, CancelScheduled];
    ttl_expired_not_received [TimeToLive];
    ttl_almost_expired_received [TimeToLive];
    ttl_not_expired_received [TimeToLive];
    delay_over_limit_rejected [ScheduledSend];
};

/// A queue with a message that is held back for this long.
async fn held_back(ctx: &Ctx, delay: Duration) -> CaseResult<(Queue, Reader, SendReceipt)> {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    let message = queue.message("held back").with_delay(delay);
    let receipt = queue.send(message).await?;
    Ok((queue, reader, receipt))
}

/// The number that cancels a scheduled message.
fn number(receipt: &SendReceipt) -> CaseResult<u64> {
    let number = receipt.sequence_number;
    number.ok_or_else(|| Stop::broken("a scheduled message has a number to cancel it by"))
}

/// A scheduled message cannot be received before it is due, and then it can.
async fn scheduled_not_visible_before_due(ctx: Ctx) -> CaseResult {
    let delay = ctx.timing().short_lock;
    let (received, took) = ctx
        .timed(async {
            let (_, reader, _) = held_back(&ctx, delay).await?;
            let delivery = reader.one().await?;
            reader.complete(delivery).await?;
            reader.nothing("it was sent once").await
        })
        .await;
    received?;
    check!(took >= delay, "not before {delay:?}, but it took {took:?}");
    let latest = delay + ctx.timing().quiet + 2 * ctx.timing().slack;
    check!(took <= latest, "not after {latest:?}, but it took {took:?}");
    Ok(())
}

/// A delay of zero holds nothing back.
async fn delay_of_zero_is_no_delay(ctx: Ctx) -> CaseResult {
    let (_, reader, _) = held_back(&ctx, Duration::ZERO).await?;
    let (delivery, took) = ctx.timed(reader.one()).await;
    reader.complete(delivery?).await?;
    let slack = ctx.timing().slack;
    check!(took <= slack, "it can be received at once, but it took {took:?}");
    Ok(())
}

/// A scheduled message that is cancelled in time never comes, and is there to cancel only once.
async fn cancel_scheduled(ctx: Ctx) -> CaseResult {
    let delay = ctx.timing().short_lock;
    let (queue, reader, receipt) = held_back(&ctx, delay).await?;
    let number = number(&receipt)?;
    let transport = ctx.transport();
    let cancelled = transport.cancel_scheduled(queue.address(), number).await?;
    check!(cancelled, "a message that is held back can be cancelled");
    let again = transport.cancel_scheduled(queue.address(), number).await?;
    check!(!again, "a cancelled message is not there any more");
    ctx.sleep(delay + ctx.timing().slack).await;
    reader.nothing("a cancelled message never comes").await
}

/// Once a scheduled message is due, cancelling it says that it was too late.
async fn cancel_scheduled_too_late_says_no(ctx: Ctx) -> CaseResult {
    let (queue, reader, receipt) = held_back(&ctx, ctx.timing().short_lock).await?;
    let number = number(&receipt)?;
    let delivery = reader.one().await?;
    let cancelled = ctx.transport().cancel_scheduled(queue.address(), number);
    check!(!cancelled.await?, "a message that is due cannot be cancelled");
    reader.complete(delivery).await?;
    Ok(())
}

/// A queue with a message that lives this long.
async fn perishable(ctx: &Ctx, time_to_live: Duration) -> CaseResult<Reader> {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    let message = queue.message("perishable").with_time_to_live(time_to_live);
    queue.send(message).await?;
    Ok(reader)
}

/// A message whose time is over is not received.
async fn ttl_expired_not_received(ctx: Ctx) -> CaseResult {
    let time_to_live = ctx.timing().short_lock;
    let reader = perishable(&ctx, time_to_live).await?;
    ctx.sleep(time_to_live + ctx.timing().slack).await;
    reader.nothing("an expired message is not received").await
}

/// A message whose time is almost over is received.
async fn ttl_almost_expired_received(ctx: Ctx) -> CaseResult {
    let time_to_live = 2 * ctx.timing().short_lock;
    let reader = perishable(&ctx, time_to_live).await?;
    ctx.sleep(time_to_live.mul_f32(0.7)).await;
    reader.take_all(1).await?;
    Ok(())
}

/// A message with much time left is received.
async fn ttl_not_expired_received(ctx: Ctx) -> CaseResult {
    let reader = perishable(&ctx, Duration::from_secs(3_600)).await?;
    ctx.sleep(ctx.timing().quiet).await;
    reader.take_all(1).await?;
    Ok(())
}

/// A delay over the limit is refused before any I/O.
async fn delay_over_limit_rejected(ctx: Ctx) -> CaseResult {
    let max_delay = ctx.capabilities().limits.max_delay;
    let Some(too_long) = max_delay.checked_add(Duration::from_secs(1)) else {
        return Err(Stop::skip("delays are not limited"));
    };
    let missing = ctx.missing_queue()?;
    let message = ctx.message("much later").with_delay(too_long);
    let mut report = ctx.transport().send(&missing, vec![message.clone()]).await;
    let failure = refused(report.remove(0))?;
    check_invalid(&failure.error, "delay")?;
    check_eq!(*failure.message, message, "a refused message is given back");
    Ok(())
}
