//! Locks: how they are lengthened, and that messages fetched ahead do not lose theirs unseen.

use std::time::Duration;

use sealmq_queue_core::TransportErrorKind;

use crate::outcome::{CaseResult, Stop};
use crate::transport::case::case_table;
use crate::transport::{Case, Ctx};

use super::support::bodies;

pub(super) const CASES: &[Case] = case_table! { "lock":
    delivery_says_how_long_it_is_locked [Settlement];
    lock_duration_option_is_kept_or_refused [Settlement];
    extend_keeps_invisible_past_original_lock [Settlement, ExtendLock];
    extend_beyond_max_errors [Settlement, ExtendLock];
    extend_after_lock_lost_errors [Settlement, ExtendLock];
    prefetch_does_not_expire_locks [Settlement];
};

/// A delivery says how long it is locked: what renews the lock goes by it.
async fn delivery_says_how_long_it_is_locked(ctx: Ctx) -> CaseResult {
    let queue = ctx.short_lock_queue().await?;
    let reader = queue.reader().await?;
    queue.send(queue.message("locked")).await?;
    let held = reader.one().await?;
    check_eq!(
        held.receipt.metadata().lock_duration,
        Some(ctx.timing().short_lock),
        "a delivery is locked as long as the queue locks"
    );
    reader.complete(held).await?;
    Ok(())
}

/// A receiver that asks for locks of its own gets them, or is refused; it is not ignored.
async fn lock_duration_option_is_kept_or_refused(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let lock = ctx.timing().short_lock;
    let options = ctx.options().with_lock_duration(lock);
    let reader = match queue.try_reader_with(options).await {
        Ok(reader) => reader,
        Err(error) => {
            check_matches!(
                error.kind(),
                TransportErrorKind::Unsupported { .. } | TransportErrorKind::InvalidInput { .. },
                "a lock duration that cannot be had is refused"
            );
            return Ok(());
        }
    };
    queue.send(queue.message("locked")).await?;
    let held = reader.one().await?;
    check_eq!(
        held.receipt.metadata().lock_duration,
        Some(lock),
        "a delivery is locked as long as its receiver asked for"
    );
    drop(held);
    let (again, took) = ctx.timed(reader.one()).await;
    let latest = lock + ctx.timing().slack;
    check!(took <= latest, "it comes again after that lock, but it took {took:?}");
    reader.complete(again?).await?;
    Ok(())
}

/// An extended lock counts from the extension: the message stays away past the original lock.
async fn extend_keeps_invisible_past_original_lock(ctx: Ctx) -> CaseResult {
    let queue = ctx.short_lock_queue().await?;
    let reader = queue.reader().await?;
    let other = queue.reader().await?;
    queue.send(queue.message("long work")).await?;
    let held = reader.one().await?;
    let lock = ctx.timing().short_lock;
    ctx.sleep(lock.mul_f32(0.5)).await;
    held.receipt.extend(lock).await?;
    ctx.sleep(lock.mul_f32(0.65)).await;
    let seen = other.recv(1, lock.mul_f32(0.1)).await?;
    check!(seen.is_empty(), "an extended lock keeps the message away past the original lock");
    held.receipt.complete().await?;
    ctx.outlast_short_lock().await;
    other.nothing("it was completed under the extended lock").await
}

/// An extension over the limit is refused and leaves the lock as it was.
async fn extend_beyond_max_errors(ctx: Ctx) -> CaseResult {
    let max_lock = ctx.capabilities().limits.max_lock;
    let Some(too_long) = max_lock.checked_add(Duration::from_secs(1)) else {
        return Err(Stop::skip("locks are not limited"));
    };
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    queue.send(queue.message("endless work")).await?;
    let held = reader.one().await?;
    let kind = held.receipt.extend(too_long).await;
    check_matches!(
        kind.as_ref().map_err(|error| error.kind()),
        Err(TransportErrorKind::InvalidInput { .. }),
        "a lock over the limit is refused"
    );
    held.receipt.complete().await?;
    Ok(())
}

/// A lock that has run out cannot be extended where the transport notices.
async fn extend_after_lock_lost_errors(ctx: Ctx) -> CaseResult {
    let queue = ctx.short_lock_queue().await?;
    let reader = queue.reader().await?;
    queue.send(queue.message("too slow")).await?;
    let held = reader.one().await?;
    let lock = ctx.timing().short_lock;
    ctx.outlast_short_lock().await;
    let again = reader.one().await?;
    let extended = held.receipt.extend(lock).await;
    if ctx.capabilities().detects_lost_lock {
        let kind = extended.map_err(|error| error.kind().clone());
        check_eq!(
            kind,
            Err(TransportErrorKind::LockLost),
            "a lock that another holds cannot be extended"
        );
    }
    reader.complete(again).await?;
    Ok(())
}

/// A message fetched ahead is not handed out with a lock that has run out in the buffer.
async fn prefetch_does_not_expire_locks(ctx: Ctx) -> CaseResult {
    let queue = ctx.short_lock_queue().await?;
    let reader = queue.reader_with(ctx.options().with_prefetch(5)).await?;
    let sent = queue.messages(5);
    queue.send_all(sent.clone()).await?;
    let first = reader.one().await?;
    let mut taken = vec![reader.complete(first).await?];
    ctx.outlast_short_lock().await; // the locks of what was fetched ahead run out meanwhile
    for _ in 1..5 {
        let delivery = reader.one().await?;
        ctx.sleep(ctx.timing().short_lock / 10).await;
        taken.push(reader.complete(delivery).await?);
    }
    check_eq!(
        bodies(&taken),
        bodies(&sent),
        "each message is handed out with a lock to settle it by"
    );
    ctx.outlast_short_lock().await;
    reader.nothing("every message was completed").await
}
