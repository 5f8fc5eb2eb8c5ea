//! Handlers side by side: bounded concurrency, lock renewal, pause, graceful stop.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sealmq_queue_core::Feature;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout_at};

use crate::client::QueueContext;
use crate::incoming::{IncomingMessage, ReceivedMessage};
use crate::receipt::MessageReceipt;

/// How a processor works.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessorOptions {
    /// Handlers at work at once, at most. Can be changed while it runs.
    pub concurrency: usize,
    /// Messages fetched by one receive, at most.
    pub batch: usize,
    /// How long one receive waits for messages.
    pub wait: Duration,
    /// How long after it failed a message is held back, before it doubles with each delivery.
    pub retry_delay: Duration,
    /// Whether locks are renewed while handlers work.
    pub renew_locks: bool,
}

impl Default for ProcessorOptions {
    /// One handler at a time.
    fn default() -> Self {
        Self {
            concurrency: 1,
            batch: 32,
            wait: Duration::from_secs(20),
            retry_delay: Duration::from_secs(1),
            renew_locks: true,
        }
    }
}

impl ProcessorOptions {
    /// The same options with up to this many handlers at once.
    #[must_use]
    pub fn with_concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// The same options with failed messages held back for this long at first.
    #[must_use]
    pub fn with_retry_delay(mut self, retry_delay: Duration) -> Self {
        self.retry_delay = retry_delay;
        self
    }

    /// The same options, renewing locks or not.
    #[must_use]
    pub fn with_renew_locks(mut self, renew_locks: bool) -> Self {
        self.renew_locks = renew_locks;
        self
    }
}

/// Why a handler did not do its work, and what is to become of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandlerError {
    /// It may work later: the message goes back to the queue.
    Retry {
        /// How long it is held back; `None` for the processor's own back-off.
        delay: Option<Duration>,
    },
    /// It never will: the message goes to the dead-letter queue, still sealed.
    DeadLetter {
        /// A short code to count and filter by; the broker sees it.
        reason: String,
        /// A sentence for a person; the broker sees it.
        description: String,
    },
}

impl HandlerError {
    /// It may work later, after the processor's own back-off.
    pub fn retry() -> Self {
        Self::Retry { delay: None }
    }

    /// It may work after this long.
    pub fn retry_after(delay: Duration) -> Self {
        Self::Retry { delay: Some(delay) }
    }

    /// It never will.
    pub fn dead_letter(reason: impl Into<String>, description: impl Into<String>) -> Self {
        Self::DeadLetter { reason: reason.into(), description: description.into() }
    }
}

/// Any error of a handler means that it may work later; its text stays in this process.
impl<E: std::error::Error> From<E> for HandlerError {
    fn from(_: E) -> Self {
        Self::retry()
    }
}

/// What a stop found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopReport {
    /// Handlers that were cut off at the deadline; their messages went back to the queue.
    pub cancelled: usize,
}

/// Handlers at work in the background. Dropping it cuts them off; their messages come again when
/// their locks have run out.
pub struct Processor {
    control: watch::Sender<Control>,
    running: JoinHandle<StopReport>,
}

#[derive(Debug, Clone, Copy)]
struct Control {
    concurrency: usize,
    paused: bool,
    stop_by: Option<Instant>,
    /// Handlers still at work are cut off.
    cancel: bool,
}

impl Processor {
    /// Changes how many handlers may work at once. Those at work finish.
    pub fn set_concurrency(&self, concurrency: usize) {
        self.control.send_modify(|control| control.concurrency = concurrency);
    }

    /// Stops receiving; handlers at work finish.
    pub fn pause(&self) {
        self.control.send_modify(|control| control.paused = true);
    }

    /// Receives again.
    pub fn resume(&self) {
        self.control.send_modify(|control| control.paused = false);
    }

    /// Stops receiving, lets handlers finish within `deadline`, cuts off the rest and gives their
    /// messages back, releases what was prefetched.
    pub async fn stop(mut self, deadline: Duration) -> StopReport {
        let now = Instant::now();
        let stop_by = now.checked_add(deadline).unwrap_or(now + FOREVER);
        self.control.send_modify(|control| control.stop_by = Some(stop_by));
        (&mut self.running).await.unwrap_or(StopReport { cancelled: 0 })
    }
}

impl Drop for Processor {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl fmt::Debug for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Processor")
            .field("control", &*self.control.borrow())
            .finish_non_exhaustive()
    }
}

pub(crate) fn start<H, F>(
    queue: Arc<QueueContext>,
    options: ProcessorOptions,
    handler: H,
) -> Processor
where
    H: Fn(IncomingMessage) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), HandlerError>> + Send + 'static,
{
    let concurrency = options.concurrency;
    let start = Control { concurrency, paused: false, stop_by: None, cancel: false };
    let (control, watched) = watch::channel(start);
    let (handler, cancel) = (Arc::new(handler), control.clone());
    let worker = Worker { queue, options, handler, control: watched, cancel };
    Processor { control, running: tokio::spawn(worker.run()) }
}

struct Worker<H> {
    queue: Arc<QueueContext>,
    options: ProcessorOptions,
    handler: Arc<H>,
    control: watch::Receiver<Control>,
    cancel: watch::Sender<Control>,
}

impl<H, F> Worker<H>
where
    H: Fn(IncomingMessage) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), HandlerError>> + Send + 'static,
{
    async fn run(mut self) -> StopReport {
        let mut handlers = JoinSet::new();
        let mut failures = 0;
        loop {
            let control = *self.control.borrow_and_update();
            if let Some(stop_by) = control.stop_by {
                return self.wind_down(handlers, stop_by).await;
            }
            let free = control.concurrency.saturating_sub(handlers.len());
            let receiving = free > 0 && !control.paused;
            tokio::select! {
                _ = self.control.changed() => {}
                Some(_) = handlers.join_next() => {}
                // Whatever ends this wait first, nothing is lost: `receive_sealed` is cancel-safe,
                // and what it returned is opened outside of the race.
                received = self.queue.receive_sealed(free.min(self.options.batch), self.options.wait),
                    if receiving =>
                {
                    match received {
                        Ok(deliveries) => {
                            failures = 0;
                            let received = self.queue.open_deliveries(deliveries).await;
                            for message in received.into_iter().flatten() {
                                handlers.spawn(self.handle(message));
                            }
                        }
                        Err(error) => {
                            failures += 1;
                            tracing::warn!(target: "sealmq", queue = self.queue.queue, %error,
                                "Receiving failed, trying again");
                            let pause = self.queue.shared.retry.delay(failures);
                            tokio::select! {
                                () = tokio::time::sleep(pause) => {}
                                _ = self.control.changed() => {}
                            }
                        }
                    }
                }
            }
        }
    }

    async fn wind_down(&self, mut handlers: JoinSet<()>, stop_by: Instant) -> StopReport {
        while let Ok(Some(_)) = timeout_at(stop_by, handlers.join_next()).await {}
        let cancelled = handlers.len();
        self.cancel.send_modify(|control| control.cancel = true);
        while handlers.join_next().await.is_some() {}
        if let Err(error) = self.queue.release_receiver().await {
            tracing::warn!(target: "sealmq", %error, "Prefetched messages come again later");
        }
        StopReport { cancelled }
    }

    fn handle(&self, received: ReceivedMessage) -> impl Future<Output = ()> + Send + 'static {
        let (queue, options) = (Arc::clone(&self.queue), self.options.clone());
        let (handler, mut control) = (Arc::clone(&self.handler), self.control.clone());
        async move {
            let ReceivedMessage { message, receipt } = received;
            // A task of its own, so that a panic ends the handler and not the processor.
            let mut work = AbortOnDrop(tokio::spawn(async move { handler(message).await }));
            let outcome = tokio::select! {
                outcome = &mut work.0 => outcome.unwrap_or_else(|_| {
                    tracing::error!(target: "sealmq", queue = queue.queue, "A handler panicked");
                    Err(HandlerError::retry())
                }),
                never = keep_locked(&queue, &receipt, options.renew_locks) => match never {},
                _ = control.wait_for(|control| control.cancel) => {
                    Err(HandlerError::retry_after(Duration::ZERO))
                }
            };
            // Ended before the message is given back: from then on it may be another's.
            work.0.abort();
            settle(&queue, &options, receipt, outcome).await;
        }
    }
}

async fn settle(
    queue: &QueueContext,
    options: &ProcessorOptions,
    receipt: MessageReceipt,
    outcome: Result<(), HandlerError>,
) {
    if outcome.is_err() {
        queue.metrics.handler_failed();
    }
    let settled = match outcome {
        Ok(()) => receipt.complete().await,
        Err(HandlerError::Retry { delay }) => {
            let deliveries = receipt.metadata().delivery_count.clamp(1, 16);
            let backed_off = options.retry_delay.saturating_mul(1 << (deliveries - 1));
            let delay = delay.unwrap_or(backed_off.min(queue.shared.retry.max_delay));
            let native = queue.shared.transport.capabilities().has(Feature::DelayedAbandon);
            receipt.abandon(if native { delay } else { Duration::ZERO }).await
        }
        Err(HandlerError::DeadLetter { reason, description }) => {
            receipt.dead_letter(&reason, &description).await
        }
    };
    if let Err(failed) = settled {
        tracing::warn!(target: "sealmq", queue = queue.queue, error = %failed.error,
            "Message not settled, it may come again");
    }
}

/// Renews a lock at half its time for as long as it is polled.
async fn keep_locked(queue: &QueueContext, receipt: &MessageReceipt, renew: bool) -> Infallible {
    let extendable = queue.shared.transport.capabilities().has(Feature::ExtendLock);
    let Some(lock) = receipt.metadata().lock_duration.filter(|_| renew && extendable) else {
        return std::future::pending().await;
    };
    let mut pause = lock / 2;
    loop {
        tokio::time::sleep(pause).await;
        pause = lock / 2;
        if let Err(error) = receipt.extend(lock).await {
            tracing::warn!(target: "sealmq", queue = queue.queue, %error, "Lock not renewed");
            if !error.is_retryable() {
                queue.metrics.lock_lost();
                // The handler may finish its work; settling will say that the lock is gone.
                return std::future::pending().await;
            }
            // Half of the lock is left: time to try again, more than once.
            pause = lock / 8;
        }
    }
}

/// Longer than any program runs, and short enough to be added to an instant.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Ends a handler together with the one who waits for it.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
