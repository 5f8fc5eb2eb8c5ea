//! Stopping: handlers may finish, the deadline is kept, and every message is done or given back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sealmq_client::{Processor, ProcessorOptions, QueueClient};

use super::support::{
    builder, builder_over, keyring, listen, nothing_comes, opened, reaches, send_many,
};
use crate::outcome::CaseResult;
use crate::transport::case::case_table;
use crate::transport::{Case, Ctx};

pub(super) const CASES: &[Case] = case_table! { "client":
    stop_waits_for_in_flight_then_returns [Settlement];
    stop_deadline_cancels_handlers [Settlement];
    start_again_after_stop [Settlement] slow;
    shutdown_leaves_nothing_lost_or_locked [Settlement] slow;
};

/// Two handlers at once that take so long; begun and ended ones are counted.
fn start(
    client: &QueueClient,
    takes: Duration,
    begun: &Arc<AtomicUsize>,
    ended: &Arc<AtomicUsize>,
) -> Processor {
    let (begun, ended) = (Arc::clone(begun), Arc::clone(ended));
    client.process(ProcessorOptions::default().with_concurrency(2), move |_| {
        let (begun, ended) = (Arc::clone(&begun), Arc::clone(&ended));
        async move {
            begun.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(takes).await;
            ended.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    })
}

/// A stop waits for the handlers at work, which complete their messages, and starts no more.
async fn stop_waits_for_in_flight_then_returns(ctx: Ctx) -> CaseResult {
    let (queue, keys) = (ctx.queue().await?, keyring()?);
    let client = builder(&ctx, &queue, &keys).build()?;
    send_many(&client, &queue, 5).await?;
    let (begun, ended) = (Arc::default(), Arc::default());
    let processor = start(&client, 2 * ctx.timing().quiet, &begun, &ended);
    reaches(&ctx, &begun, 2).await?;
    let (report, took) = ctx.timed(processor.stop(ctx.timing().patience)).await;
    check_eq!(report.cancelled, 0, "no handler is cut off before the deadline");
    check!(took < ctx.timing().patience, "a stop ends with the last handler, not at the deadline");
    let (begun, ended) = (begun.load(Ordering::SeqCst), ended.load(Ordering::SeqCst));
    check_eq!((begun, ended), (2, 2), "those at work finished, and no other began");
    for _ in begun..5 {
        opened(&ctx, &client).await?.complete().await?;
    }
    nothing_comes(&ctx, &client, "what was handled is completed").await
}

/// At the deadline handlers are cut off, and their messages come again at once, not after a lock.
async fn stop_deadline_cancels_handlers(ctx: Ctx) -> CaseResult {
    let (queue, keys) = (ctx.queue().await?, keyring()?); // its lock outlasts the case
    let client = builder(&ctx, &queue, &keys).build()?;
    send_many(&client, &queue, 2).await?;
    let (begun, ended) = (Arc::default(), Arc::default());
    let processor = start(&client, Duration::from_secs(3_600), &begun, &ended);
    reaches(&ctx, &begun, 2).await?;
    let deadline = ctx.timing().quiet;
    let (report, took) = ctx.timed(processor.stop(deadline)).await;
    check_eq!(report.cancelled, 2, "handlers that go on past the deadline are cut off");
    check!(took >= deadline, "not before the deadline");
    check!(took < deadline + ctx.timing().patience, "and soon after it, but it took {took:?}");
    for _ in 0..2 {
        opened(&ctx, &client).await?.complete().await?;
    }
    check_eq!(ended.load(Ordering::SeqCst), 0, "what was cut off does not go on");
    nothing_comes(&ctx, &client, "each came again once").await
}

/// A client starts as often as it is stopped, and loses nothing between.
async fn start_again_after_stop(ctx: Ctx) -> CaseResult {
    const ROUNDS: usize = 4;
    let (queue, keys) = (ctx.queue().await?, keyring()?);
    let client = builder(&ctx, &queue, &keys).build()?;
    let (begun, ended) = (Arc::default(), Arc::default());
    for round in 1..=ROUNDS {
        send_many(&client, &queue, 3).await?;
        let processor = start(&client, Duration::ZERO, &begun, &ended);
        reaches(&ctx, &ended, 3 * round).await?;
        let report = processor.stop(ctx.timing().patience).await;
        check_eq!(report.cancelled, 0, "nothing was left to be cut off");
    }
    check_eq!(begun.load(Ordering::SeqCst), 3 * ROUNDS, "each message was handled once");
    nothing_comes(&ctx, &client, "every message was completed").await
}

/// A shutdown with messages in every state: those at work are finished, and all others can be had
/// by another consumer at once, those that were fetched ahead as well: their locks outlast the case.
async fn shutdown_leaves_nothing_lost_or_locked(ctx: Ctx) -> CaseResult {
    const MESSAGES: usize = 12;
    let (queue, keys) = (ctx.queue().await?, keyring()?);
    let leaving = builder_over(ctx.connect_again().await?, &ctx, &queue, &keys)
        .with_receiver_options(ctx.options().with_prefetch(6))
        .build()?;
    let staying = builder(&ctx, &queue, &keys).build()?;
    listen(&staying).await?;
    send_many(&staying, &queue, MESSAGES).await?;
    let (begun, ended) = (Arc::default(), Arc::default());
    let _processor = start(&leaving, 2 * ctx.timing().quiet, &begun, &ended);
    reaches(&ctx, &begun, 2).await?;
    let report = leaving.shutdown(ctx.timing().patience).await?;
    check_eq!((report.cancelled, report.unsettled), (0, 0), "everything was settled in time");
    let (begun, ended) = (begun.load(Ordering::SeqCst), ended.load(Ordering::SeqCst));
    check_eq!(begun, ended, "what was begun was finished");
    for _ in ended..MESSAGES {
        opened(&ctx, &staying).await?.complete().await?;
    }
    nothing_comes(&ctx, &staying, "what was handled is completed").await?;
    check!(!leaving.health().await.is_ready(), "who has left is not ready");
    Ok(())
}
