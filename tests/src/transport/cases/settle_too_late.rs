//! Settling that comes too late or fails: it says so, harms nobody, and can be tried again.

use std::fmt::Debug;
use std::time::Duration;

use sealmq_queue_core::{SettleError, TransportErrorKind};

use crate::outcome::{CaseResult, Stop};
use crate::transport::case::case_table;
use crate::transport::{AfterLockLost, Case, Ctx, StaleHolder};

use super::settle::one_delivery;

pub(super) const CASES: &[Case] = case_table! { "settle":
    double_complete_is_ok_or_typed_error [Settlement];
    complete_after_lock_lost_reports_lock_lost_or_declares_undetected [Settlement];
    stale_holder_cannot_kill_new_holder [Settlement];
    settle_after_reconnect [Settlement] alone;
    failed_settle_returns_delivery_for_retry [Settlement];
};

/// Two receipts for one message can both complete it: the second is fine or says `LockLost`.
/// One receipt cannot settle twice; that does not compile.
async fn double_complete_is_ok_or_typed_error(ctx: Ctx) -> CaseResult {
    let (_, reader, first) = one_delivery(&ctx).await?;
    ctx.outlast_short_lock().await;
    reader.one().await?.receipt.complete().await?;
    let mut receipt = first.receipt;
    for _ in 0..2 {
        match receipt.complete().await {
            Ok(_) => break,
            Err(failed) => {
                check_eq!(
                    failed.error.kind(),
                    &TransportErrorKind::LockLost,
                    "completing what another receipt completed is fine or a lost lock"
                );
                receipt = *failed.receipt;
            }
        }
    }
    ctx.outlast_short_lock().await;
    reader.nothing("the message was completed, even twice").await
}

/// Completing after the lock ran out fails with `LockLost` and the message comes again, unless the
/// transport declares that it goes unnoticed.
async fn complete_after_lock_lost_reports_lock_lost_or_declares_undetected(ctx: Ctx) -> CaseResult {
    let (_, reader, delivery) = one_delivery(&ctx).await?;
    let id = delivery.message.id.clone();
    ctx.outlast_short_lock().await;
    let outcome = delivery.receipt.complete().await;
    match ctx.expectations().after_lock_lost {
        AfterLockLost::Undetected => {
            let certainty = outcome?;
            check_eq!(
                certainty,
                ctx.expectations().certainty,
                "a lost lock goes unnoticed, as declared"
            );
        }
        AfterLockLost::LockLost => {
            let kind = outcome.map_err(|failed| failed.error.kind().clone());
            check_eq!(
                kind.err(),
                Some(TransportErrorKind::LockLost),
                "completing after the lock was lost says so"
            );
            let again = reader.one().await?;
            check_eq!(again.message.id, id, "the message comes again");
            reader.complete(again).await?;
        }
    }
    Ok(())
}

/// A holder whose lock ran out cannot complete the message under the hands of the next holder.
async fn stale_holder_cannot_kill_new_holder(ctx: Ctx) -> CaseResult {
    let (queue, _, stale) = one_delivery(&ctx).await?;
    let next_reader = queue.reader().await?;
    ctx.outlast_short_lock().await;
    let held = next_reader.one().await?;
    let _ = stale.receipt.complete().await; // whether it notices is another case
    ctx.outlast_short_lock().await;
    let survived = next_reader.recv(1, ctx.timing().slack).await?;
    match ctx.expectations().stale_holder {
        StaleHolder::Unspecified => return Ok(()),
        StaleHolder::Violates => check!(
            survived.is_empty(),
            "the stale holder completes the message, as is known of this broker"
        ),
        StaleHolder::Fenced => {
            check_eq!(
                survived.first().map(|again| &again.message.id),
                Some(&held.message.id),
                "only the present holder can complete the message: unsettled, it comes again"
            );
            next_reader.complete_all(survived).await?;
        }
    }
    Ok(())
}

/// After the connection broke and came back, a delivery is settled or comes again: never neither.
async fn settle_after_reconnect(ctx: Ctx) -> CaseResult {
    let proxy = ctx.harness().faulty_proxy().await?;
    let queue = ctx.short_lock_queue().await?;
    let reader = queue.through(&proxy.connect().await?).reader().await?;
    queue.send(queue.message("held")).await?;
    let held = reader.one().await?;
    let id = held.message.id.clone();
    proxy.cut().await;
    proxy.restore().await;
    let settled = held.receipt.complete().await;
    let direct = queue.reader().await?;
    ctx.outlast_short_lock().await;
    match settled {
        Ok(_) => direct.nothing("the delivery was settled").await,
        Err(_) => {
            let again = direct.one().await?;
            check_eq!(again.message.id, id, "what was not settled comes again");
            direct.complete(again).await?;
            Ok(())
        }
    }
}

/// A settlement that failed gives the delivery back, to try again.
async fn failed_settle_returns_delivery_for_retry(ctx: Ctx) -> CaseResult {
    match ctx.harness().faulty_proxy().await {
        Ok(proxy) => {
            let queue = ctx.queue().await?;
            let reader = queue.through(&proxy.connect().await?).reader().await?;
            queue.send(queue.message("held")).await?;
            let held = reader.one().await?;
            proxy.cut().await;
            let failed = failed(held.receipt.complete().await)?;
            check!(failed.error.is_retryable(), "a broken connection may be retried");
            proxy.restore().await;
            failed.receipt.complete().await?;
            Ok(())
        }
        // Without a way to make the broker fail, a lost lock is the failure there is.
        Err(Stop::Skipped(_)) if ctx.expectations().after_lock_lost == AfterLockLost::LockLost => {
            let (_, _, delivery) = one_delivery(&ctx).await?;
            let metadata = delivery.receipt.metadata().clone();
            ctx.outlast_short_lock().await;
            let first = failed(delivery.receipt.abandon(Duration::ZERO).await)?;
            check_eq!(
                first.receipt.metadata(),
                &metadata,
                "the receipt of the same delivery is given back"
            );
            let second = failed(first.receipt.complete().await)?;
            check_eq!(second.error.kind(), first.error.kind(), "the receipt can be tried again");
            Ok(())
        }
        Err(stop) => Err(stop),
    }
}

#[track_caller]
fn failed<T: Debug>(result: Result<T, SettleError>) -> CaseResult<SettleError> {
    match result {
        Ok(how) => Err(Stop::broken(format!("the settlement fails, but it was {how:?}"))),
        Err(error) => Ok(error),
    }
}
