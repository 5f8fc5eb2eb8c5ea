//! Lock renewal: for as long as a handler works, and not a moment longer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sealmq_client::{Processor, ProcessorOptions, QueueClient};

use super::counting::CountingTransport;
use super::support::{builder_over, keyring, nothing_comes, reaches, send};
use crate::outcome::CaseResult;
use crate::transport::case::case_table;
use crate::transport::{Case, Ctx};

pub(super) const CASES: &[Case] = case_table! { "client":
    auto_renew_long_handler_3x_lock [Settlement, ExtendLock] slow;
    renew_stops_after_settle [Settlement, ExtendLock] slow;
};

/// Handlers that take so long; begun and ended ones are counted.
fn start(
    client: &QueueClient,
    takes: Duration,
    begun: &Arc<AtomicUsize>,
    ended: &Arc<AtomicUsize>,
) -> Processor {
    let (begun, ended) = (Arc::clone(begun), Arc::clone(ended));
    client.process(ProcessorOptions::default(), move |_| {
        let (begun, ended) = (Arc::clone(&begun), Arc::clone(&ended));
        async move {
            begun.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(takes).await;
            ended.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    })
}

/// A handler that takes three times the lock keeps its message: nobody else gets it.
async fn auto_renew_long_handler_3x_lock(ctx: Ctx) -> CaseResult {
    let (queue, keys) = (ctx.short_lock_queue().await?, keyring()?);
    let transport = CountingTransport::new(ctx.connect_again().await?);
    let client = builder_over(Arc::new(transport.clone()), &ctx, &queue, &keys).build()?;
    send(&client, queue.message("long work")).await?;
    let (begun, ended) = (Arc::default(), Arc::default());
    let takes = 3 * ctx.timing().short_lock;
    let processor = start(&client, takes, &begun, &ended);
    reaches(&ctx, &begun, 1).await?;

    let other = queue.reader().await?;
    let seen = other.recv(1, takes.mul_f32(0.9)).await?;
    check!(seen.is_empty(), "a message that is being worked on comes to nobody else");
    reaches(&ctx, &ended, 1).await?;
    check!(transport.extensions() >= 3, "the lock was renewed {} times", transport.extensions());
    processor.stop(ctx.timing().patience).await;
    ctx.outlast_short_lock().await;
    other.nothing("it was completed under the renewed lock").await
}

/// Once a message is settled its lock is not renewed any more, though the processor runs on.
async fn renew_stops_after_settle(ctx: Ctx) -> CaseResult {
    let (queue, keys) = (ctx.short_lock_queue().await?, keyring()?);
    let transport = CountingTransport::new(ctx.connect_again().await?);
    let client = builder_over(Arc::new(transport.clone()), &ctx, &queue, &keys).build()?;
    send(&client, queue.message("longer than half a lock")).await?;
    let (begun, ended) = (Arc::default(), Arc::default());
    let processor = start(&client, ctx.timing().short_lock, &begun, &ended);
    reaches(&ctx, &ended, 1).await?;
    ctx.sleep(ctx.timing().quiet).await; // time to settle
    let renewals = transport.extensions();
    check!(renewals >= 1, "the lock was renewed while the handler worked");
    ctx.sleep(2 * ctx.timing().short_lock).await;
    check_eq!(transport.extensions(), renewals, "and not after the message was settled");
    processor.stop(ctx.timing().patience).await;
    nothing_comes(&ctx, &client, "it was completed").await
}
