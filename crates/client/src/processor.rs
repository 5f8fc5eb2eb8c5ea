//! Handlers side by side, in their user's hands: more of them or fewer, pause, stop.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::control::Control;
use crate::incoming::IncomingMessage;
use crate::processing::{HandlerError, ProcessorOptions, StopReport};
use crate::queue::QueueContext;
use crate::worker::Worker;

/// Longer than any program runs, and short enough to be added to an instant.
pub(crate) const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

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
