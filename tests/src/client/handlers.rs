//! Handlers: what their failures do, how many run at once, and what a full queue does to senders.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealmq_client::{HandlerError, Processor, ProcessorOptions, QueueClient, RetryPolicy};

use super::counting::CountingTransport;
use super::support::{
    builder, builder_over, keyring, nothing_comes, reaches, send, send_many, until,
};
use crate::outcome::{CaseResult, Stop};
use crate::transport::case::case_table;
use crate::transport::{Case, Ctx, QueueSpec};

pub(super) const CASES: &[Case] = case_table! { "client":
    handler_panic_redelivers [Settlement];
    continue_after_handler_errors [Settlement] slow;
    concurrency_raise_and_lower_at_runtime [Settlement] slow;
    pause_resume [Settlement];
    throttle_backoff [Settlement];
};

/// A handler that panics has not done its work: the message comes again.
async fn handler_panic_redelivers(ctx: Ctx) -> CaseResult {
    let (queue, keys) = (ctx.queue().await?, keyring()?);
    let client = builder(&ctx, &queue, &keys).build()?;
    send(&client, queue.message("handle with care")).await?;
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let processor = client.process(prompt(), move |_| {
        let call = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            if call == 0 {
                // Unlike `panic!` this prints nothing.
                std::panic::resume_unwind(Box::new("the panic that this case is about"));
            }
            Ok(())
        }
    });
    reaches(&ctx, &calls, 2).await?;
    processor.stop(ctx.timing().patience).await;
    check_eq!(calls.load(Ordering::SeqCst), 2, "once more, and then it was done");
    nothing_comes(&ctx, &client, "it was completed").await
}

/// One handler at a time, with short pauses after failures.
fn prompt() -> ProcessorOptions {
    ProcessorOptions::default().with_retry_delay(Duration::from_millis(100))
}

/// Errors, panics and dead letters among many messages: each one is settled as its handler says.
async fn continue_after_handler_errors(ctx: Ctx) -> CaseResult {
    const MESSAGES: usize = 30;
    let (queue, keys) = (ctx.queue().await?, keyring()?);
    let client = builder(&ctx, &queue, &keys).build()?;
    send_many(&client, &queue, MESSAGES).await?;
    let calls: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let done = Arc::new(AtomicUsize::new(0));
    let (noted, counted) = (Arc::clone(&calls), Arc::clone(&done));
    let processor = client.process(prompt().with_concurrency(4), move |message| {
        let body = String::from_utf8_lossy(message.body()).into_owned();
        let kind = body.len() + usize::from(body.as_bytes()[body.len() - 1]);
        let call = {
            let mut calls = noted.lock().unwrap();
            let call = calls.entry(body).or_default();
            *call += 1;
            *call
        };
        let done = Arc::clone(&counted);
        async move {
            match kind % 3 {
                0 if call < 2 => Err(HandlerError::retry())?,
                1 if call < 2 => std::panic::resume_unwind(Box::new("a panic of this case")),
                _ => {}
            }
            done.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    });
    reaches(&ctx, &done, MESSAGES).await?;
    processor.stop(ctx.timing().patience).await;
    let calls = calls.lock().unwrap().clone();
    check_eq!(calls.len(), MESSAGES, "every message came");
    check!(calls.values().any(|calls| *calls == 2), "some of them failed at first");
    check_eq!(done.load(Ordering::SeqCst), MESSAGES, "each was handled to its end once");
    nothing_comes(&ctx, &client, "every message was completed").await
}

/// How many handlers run, and how many did at most.
#[derive(Default)]
struct Load {
    running: AtomicUsize,
    most: AtomicUsize,
    done: AtomicUsize,
}

impl Load {
    fn start(
        self: &Arc<Self>,
        client: &QueueClient,
        options: ProcessorOptions,
        takes: Duration,
    ) -> Processor {
        let load = Arc::clone(self);
        client.process(options, move |_| {
            let load = Arc::clone(&load);
            async move {
                let running = load.running.fetch_add(1, Ordering::SeqCst) + 1;
                load.most.fetch_max(running, Ordering::SeqCst);
                tokio::time::sleep(takes).await;
                load.running.fetch_sub(1, Ordering::SeqCst);
                load.done.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        })
    }

    /// The most that run at once while so many more are done.
    async fn most_during(&self, ctx: &Ctx, more: usize) -> CaseResult<usize> {
        self.most.store(self.running.load(Ordering::SeqCst), Ordering::SeqCst);
        reaches(ctx, &self.done, self.done.load(Ordering::SeqCst) + more).await?;
        Ok(self.most.load(Ordering::SeqCst))
    }
}

/// As many handlers as allowed, never more, and the new number counts at once.
async fn concurrency_raise_and_lower_at_runtime(ctx: Ctx) -> CaseResult {
    let (queue, keys) = (ctx.queue().await?, keyring()?);
    let client = builder(&ctx, &queue, &keys).build()?;
    send_many(&client, &queue, 100).await?;
    let load = Arc::new(Load::default());
    let takes = ctx.timing().quiet / 2;
    let processor = load.start(&client, prompt(), takes);
    check_eq!(load.most_during(&ctx, 3).await?, 1, "one at a time");

    processor.set_concurrency(5);
    until(&ctx, "five run at once", || load.running.load(Ordering::SeqCst) == 5).await?;
    check_eq!(load.most_during(&ctx, 15).await?, 5, "five at a time and no more");

    processor.set_concurrency(2);
    until(&ctx, "those above two finish", || load.running.load(Ordering::SeqCst) <= 2).await?;
    check!(load.most_during(&ctx, 8).await? <= 2, "no more than two at a time");
    let report = processor.stop(ctx.timing().patience).await;
    check_eq!(report.cancelled, 0, "all of them finished");
    Ok(())
}

/// A pause lets handlers finish and starts none; after it everything that waited is handled.
async fn pause_resume(ctx: Ctx) -> CaseResult {
    let (queue, keys) = (ctx.short_lock_queue().await?, keyring()?);
    let client = builder(&ctx, &queue, &keys).build()?;
    let load = Arc::new(Load::default());
    let processor = load.start(&client, prompt().with_concurrency(3), Duration::ZERO);
    send_many(&client, &queue, 3).await?;
    reaches(&ctx, &load.done, 3).await?;
    processor.pause();
    ctx.sleep(ctx.timing().quiet).await;
    send_many(&client, &queue, 5).await?;
    ctx.sleep(ctx.timing().quiet).await;
    check_eq!(load.done.load(Ordering::SeqCst), 3, "nothing is handled during a pause");
    processor.resume();
    reaches(&ctx, &load.done, 8).await?;
    processor.stop(ctx.timing().patience).await;
    nothing_comes(&ctx, &client, "every message was completed").await
}

/// A full queue is waited out with growing pauses, and the message is sent once.
async fn throttle_backoff(ctx: Ctx) -> CaseResult {
    let spec = QueueSpec { max_messages: Some(1), ..ctx.spec() };
    let (queue, keys) = (ctx.queue_with(spec).await?, keyring()?);
    let transport = CountingTransport::new(ctx.connect_again().await?);
    let base = Duration::from_millis(100);
    let retry = RetryPolicy::default().with_max_attempts(20).with_delays(base, 4 * base);
    let client = builder_over(Arc::new(transport.clone()), &ctx, &queue, &keys).with_retry(retry);
    let client = client.build()?;
    send(&client, queue.message("fills the queue")).await?;

    let waiting = {
        let (client, message) = (client.clone(), queue.message("waits for room"));
        tokio::spawn(async move { client.send(message).await.map(drop) })
    };
    until(&ctx, "a full queue is tried again", || transport.sends().len() > 5).await?;
    check!(!waiting.is_finished(), "a full queue takes nothing");
    let reader = queue.reader().await?;
    let first = reader.one().await?;
    reader.complete(first).await?;
    match ctx.soon("the message is sent once there is room", waiting).await? {
        Ok(sent) => sent?,
        Err(error) => return Err(Stop::broken(format!("sending ends well, but: {error}"))),
    }
    // The first is the send that filled the queue.
    let sends = transport.sends();
    let pauses: Vec<_> = sends[1..].windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (pause, longest) in pauses.iter().zip([base, 2 * base, 4 * base, 4 * base]) {
        check!(*pause >= longest / 2, "the pauses grow: {pauses:?}");
    }
    let taken = reader.one().await?;
    reader.complete(taken).await?;
    reader.nothing("the message was sent once").await
}
