//! The negative twin of every feature: what a transport declares it cannot do, it refuses.
//!
//! A call is known to be refused before any I/O by asking for it on a queue that does not exist:
//! the answer is `Unsupported`, not `NotFound`.

use std::fmt::Debug;
use std::time::Duration;

use sealmq_queue_core::{
    Certainty, Delivery, Feature, Message, ReceiveMode, ReceiverOptions, SessionSelector,
    SettleError, Settlement, Source, TransportError, TransportErrorKind,
};

use crate::outcome::{CaseResult, Stop};
use crate::transport::queue::refused as refused_message;
use crate::transport::{Ctx, Queue, Reader};

const A_SECOND: Duration = Duration::from_secs(1);

/// Tests that the transport does not do what it says it cannot do.
pub(crate) async fn refused(ctx: &Ctx, feature: Feature) -> CaseResult {
    match feature {
        Feature::Settlement => locks_are_refused(ctx).await,
        Feature::DelayedAbandon => {
            let delay = A_SECOND;
            settlement_is_refused(ctx, Settlement::Abandon { delay }).await
        }
        Feature::ExtendLock => extension_is_refused(ctx).await,
        Feature::DeadLetter => dead_letters_are_refused(ctx).await,
        Feature::MaxDeliveries => messages_come_without_end(ctx).await,
        Feature::DeliveryCount => delivery_count_is_never_zero(ctx).await,
        Feature::Defer => deferral_is_refused(ctx).await,
        Feature::ScheduledSend => {
            let held_back = Message::new("later").with_delay(A_SECOND);
            message_is_refused(ctx, held_back).await
        }
        Feature::TimeToLive => {
            let perishable = Message::new("soon gone").with_time_to_live(A_SECOND);
            message_is_refused(ctx, perishable).await
        }
        Feature::CancelScheduled => {
            let queue = ctx.missing_queue()?;
            unsupported(ctx.transport().cancel_scheduled(&queue, 1).await)
        }
        Feature::Sessions => sessions_are_refused(ctx).await,
        Feature::SessionState => session_state_is_refused(ctx).await,
        Feature::OrderedGroups => session_id_is_mere_metadata(ctx).await,
        Feature::Deduplication => every_copy_arrives(ctx).await,
        Feature::Peek => {
            let source = Source::queue(ctx.missing_queue()?);
            unsupported(ctx.transport().peek(&source, 0, 1).await)
        }
        Feature::Depth => {
            let source = Source::queue(ctx.missing_queue()?);
            unsupported(ctx.transport().depth(&source).await)
        }
        Feature::Redrive => {
            let queue = ctx.missing_queue()?;
            unsupported(ctx.transport().redrive(&queue, 1).await)
        }
        other => Err(Stop::broken(format!("no refusal is written for {other:?}"))),
    }
}

#[track_caller]
fn unsupported<T>(result: Result<T, TransportError>) -> CaseResult {
    match result {
        Ok(_) => Err(Stop::broken("a feature declared as missing is refused, but it worked")),
        Err(error) => check_unsupported(&error),
    }
}

#[track_caller]
fn check_unsupported(error: &TransportError) -> CaseResult {
    check_matches!(
        error.kind(),
        TransportErrorKind::Unsupported { .. },
        "a feature declared as missing is refused as unsupported, before any I/O"
    );
    check!(!error.is_retryable(), "a missing feature is not retried");
    Ok(())
}

async fn message_is_refused(ctx: &Ctx, message: Message) -> CaseResult {
    let queue = ctx.missing_queue()?;
    let mut report = ctx.transport().send(&queue, vec![message.clone()]).await;
    let failure = refused_message(report.remove(0))?;
    check_unsupported(&failure.error)?;
    check_eq!(*failure.message, message, "a refused message is given back");
    Ok(())
}

async fn locks_are_refused(ctx: &Ctx) -> CaseResult {
    let source = Source::queue(ctx.missing_queue()?);
    let locked = ReceiverOptions::default().with_mode(ReceiveMode::PeekLock);
    unsupported(ctx.transport().open(&source, locked).await.map(drop))
}

/// One delivered message, or `None` on a transport that settles nothing at all.
async fn delivered(ctx: &Ctx) -> CaseResult<Option<(Queue, Reader, Delivery)>> {
    if !ctx.has(Feature::Settlement) {
        locks_are_refused(ctx).await?;
        return Ok(None);
    }
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    queue.send(queue.message("to settle")).await?;
    let delivery = reader.one().await?;
    Ok(Some((queue, reader, delivery)))
}

async fn settlement_is_refused(ctx: &Ctx, settlement: Settlement) -> CaseResult {
    let Some((_, _, delivery)) = delivered(ctx).await? else {
        return Ok(());
    };
    let SettleError { error, receipt } = not_settled(delivery.receipt.settle(settlement).await)?;
    check_unsupported(&error)?;
    receipt.complete().await?;
    Ok(())
}

#[track_caller]
fn not_settled<T: Debug>(result: Result<T, SettleError>) -> CaseResult<SettleError> {
    match result {
        Ok(how) => Err(Stop::broken(format!(
            "a settlement declared as missing is refused, but it was {how:?}"
        ))),
        Err(error) => Ok(error),
    }
}

async fn extension_is_refused(ctx: &Ctx) -> CaseResult {
    let Some((_, _, delivery)) = delivered(ctx).await? else {
        return Ok(());
    };
    unsupported(delivery.receipt.extend(A_SECOND).await)?;
    let certainty: Certainty = delivery.receipt.complete().await?;
    check_eq!(
        certainty,
        ctx.expectations().certainty,
        "a refused extension leaves the delivery as it was"
    );
    Ok(())
}

async fn dead_letters_are_refused(ctx: &Ctx) -> CaseResult {
    let source = Source::dead_letter(ctx.missing_queue()?);
    unsupported(ctx.transport().open(&source, ctx.options()).await.map(drop))?;
    let settlement =
        Settlement::DeadLetter { reason: "Broken".into(), description: "cannot be moved".into() };
    settlement_is_refused(ctx, settlement).await
}

async fn deferral_is_refused(ctx: &Ctx) -> CaseResult {
    if let Some((_, reader, delivery)) = delivered(ctx).await? {
        unsupported(reader.receiver().recv_deferred(1).await)?;
        let refused = not_settled(delivery.receipt.defer().await)?;
        check_unsupported(&refused.error)?;
        refused.receipt.complete().await?;
    }
    Ok(())
}

async fn messages_come_without_end(ctx: &Ctx) -> CaseResult {
    let Some((_, reader, mut delivery)) = delivered(ctx).await? else {
        return Ok(());
    };
    for _ in 0..25 {
        delivery.receipt.abandon(Duration::ZERO).await?;
        delivery = reader.one().await?;
    }
    reader.complete(delivery).await?;
    Ok(())
}

async fn delivery_count_is_never_zero(ctx: &Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    queue.send(queue.message("uncounted")).await?;
    let count = reader.one().await?.receipt.metadata().delivery_count;
    check!(count >= 1, "the count includes this delivery, exact or not");
    Ok(())
}

async fn sessions_are_refused(ctx: &Ctx) -> CaseResult {
    let queue = ctx.missing_queue()?;
    for selector in [SessionSelector::Next, SessionSelector::Named("s".into())] {
        let accepted = ctx.transport().accept_session(&queue, selector, A_SECOND, ctx.options());
        unsupported(accepted.await.map(drop))?;
    }
    Ok(())
}

async fn session_state_is_refused(ctx: &Ctx) -> CaseResult {
    if !ctx.has(Feature::Sessions) {
        return sessions_are_refused(ctx).await;
    }
    let queue = ctx.session_queue().await?;
    let reader = queue.session("stateless").await?;
    unsupported(reader.session()?.state().await)?;
    unsupported(reader.session()?.set_state(Some("state".into())).await)
}

async fn session_id_is_mere_metadata(ctx: &Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    let sent = queue.message("in a session").with_session_id("group-1");
    queue.send(sent.clone()).await?;
    let received = reader.one().await?.message;
    check_eq!(
        received.session_id,
        sent.session_id,
        "without ordered groups the session id still arrives"
    );
    Ok(())
}

async fn every_copy_arrives(ctx: &Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    let message = queue.message("twice");
    for _ in 0..2 {
        let receipt = queue.send(message.clone()).await?;
        check!(!receipt.duplicate, "without deduplication no duplicate is reported");
    }
    reader.take_all(2).await?;
    Ok(())
}
