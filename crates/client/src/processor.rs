//! Handlers side by side, as their user sees them: options, outcomes, pause, stop.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::control::Control;
use crate::incoming::IncomingMessage;
use crate::queue::QueueContext;
use crate::worker::Worker;

/// Longer than any program runs, and short enough to be added to an instant.
pub(crate) const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

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
    /// Messages that are kept, under lock and beside the handlers, until their key can be had, at
    /// most: what goes back counts as delivered, and a broker dead-letters after so many times.
    /// When so many are kept, nothing more is received until a source of keys answers; where one
    /// does, and others are out, one more to keep sends the one kept longest back. With 0 each goes
    /// back at once. Messages can be kept where locks are renewed, or where there are none.
    pub hold: usize,
}

impl Default for ProcessorOptions {
    /// One handler at a time, and 256 messages that wait for a key.
    fn default() -> Self {
        Self {
            concurrency: 1,
            batch: 32,
            wait: Duration::from_secs(20),
            retry_delay: Duration::from_secs(1),
            renew_locks: true,
            hold: 256,
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

    /// The same options with up to this many messages kept until their key can be had.
    #[must_use]
    pub fn with_hold(mut self, hold: usize) -> Self {
        self.hold = hold;
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
    let start = Control { concurrency, paused: false, stop_by: None, cancel: false, cancelled: 0 };
    let control = watch::Sender::new(start);
    queue.shared.lifecycle.register(control.clone());
    let worker = Worker::new(queue, options, handler, control.clone());
    Processor { control, running: tokio::spawn(worker.run()) }
}
