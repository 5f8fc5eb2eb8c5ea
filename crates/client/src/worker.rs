//! Behind a processor: bounded concurrency, messages that wait for a key, winding down.

use std::sync::Arc;

use futures_util::future::OptionFuture;
use sealmq_queue_core::Delivery;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::control::Control;
use crate::error::ClientErrorKind;
use crate::handling::Handling;
use crate::holding::Holds;
use crate::incoming::IncomingMessage;
use crate::outcomes::OpenedBatch;
use crate::processing::{HandlerError, ProcessorOptions, StopReport};
use crate::queue::QueueContext;
use crate::slots::Slots;
use crate::together::together;

/// Receives, runs the handlers and settles, until it is told to stop.
pub(crate) struct Worker<H> {
    handling: Arc<Handling<H>>,
    /// One task for each message that is at work or kept.
    messages: JoinSet<()>,
    holds: Holds,
    control: watch::Receiver<Control>,
    cancel: watch::Sender<Control>,
}

impl<H, F> Worker<H>
where
    H: Fn(IncomingMessage) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), HandlerError>> + Send + 'static,
{
    pub(crate) fn new(
        queue: Arc<QueueContext>,
        options: ProcessorOptions,
        handler: H,
        cancel: watch::Sender<Control>,
    ) -> Self {
        let holds = Holds::new(Arc::clone(&queue), &options);
        let control = cancel.subscribe();
        let slots = Slots::new(control.clone());
        let handling = Handling { queue, options, handler, control: control.clone(), slots };
        let (handling, messages) = (Arc::new(handling), JoinSet::new());
        Self { handling, messages, holds, control, cancel }
    }

    pub(crate) async fn run(mut self) -> StopReport {
        let (mut failures, mut closed) = (0, false);
        // One wait for messages, for as long as it takes. That a handler ends meanwhile is no
        // reason to begin another: to a broker each is a request, and one that is given up may have
        // been answered already, with messages that stay locked.
        let mut receiving = None;
        loop {
            let stop_by = self.control.borrow_and_update().stop_by;
            if let Some(stop_by) = stop_by {
                drop(receiving);
                return self.wind_down(stop_by).await;
            }
            let free = self.handling.slots.free();
            if receiving.is_none() && free > 0 && !closed {
                let Handling { queue, options, .. } = &*self.handling;
                let (queue, wait) = (Arc::clone(queue), options.wait);
                let pace = self.holds.pace(free.min(options.batch));
                receiving = Some(Box::pin(async move {
                    pace.wait().await;
                    queue.receive_sealed(pace.most, wait).await
                }));
            }
            tokio::select! {
                // There may be fewer messages to take now, or none.
                _ = self.control.changed() => receiving = None,
                Some(_) = self.messages.join_next() => {}
                // Whatever ends this wait first, nothing is lost: `receive_sealed` is cancel-safe,
                // and what it returned is opened outside of the race.
                Some(received) = OptionFuture::from(receiving.as_mut()) => {
                    receiving = None;
                    match received {
                        Ok(deliveries) => {
                            failures = 0;
                            self.open(deliveries).await;
                        }
                        Err(error) if *error.kind() == ClientErrorKind::Closed => closed = true,
                        Err(error) => {
                            failures += 1;
                            let queue = &self.handling.queue;
                            tracing::warn!(target: "sealmq", queue = queue.queue, %error,
                                "Receiving failed, trying again");
                            tokio::select! {
                                () = tokio::time::sleep(queue.shared.retry.delay(failures)) => {}
                                _ = self.control.changed() => {}
                            }
                        }
                    }
                }
            }
        }
    }

    /// Begins the work on what opens, keeps what may open later, settles the rest.
    async fn open(&mut self, deliveries: Vec<Delivery>) {
        let (received, patience) = (deliveries.len(), self.holds.patience(&deliveries));
        let opened = tokio::select! {
            opened = self.handling.queue.open_within(deliveries, patience) => opened,
            // What was not opened by then comes again after its lock.
            () = deadline(self.control.clone()) => return,
        };
        let OpenedBatch { admitted, undecided, mut refused } = opened;
        for message in admitted {
            let slot = self.handling.slots.try_take();
            self.messages.spawn(Arc::clone(&self.handling).handle(message, slot));
        }
        self.holds.note_batch(received, undecided.len());
        for undecided in undecided {
            match self.holds.place() {
                Some(place) => {
                    self.messages.spawn(Arc::clone(&self.handling).hold(undecided, place));
                }
                None => refused.push(undecided.into()),
            }
        }
        together(refused.into_iter().map(|unopened| self.handling.queue.reject(unopened))).await;
    }

    async fn wind_down(mut self, stop_by: Instant) -> StopReport {
        while let Ok(Some(_)) = timeout_at(stop_by, self.messages.join_next()).await {}
        let cancelled = self.handling.slots.busy();
        self.cancel.send_modify(|control| (control.cancel, control.cancelled) = (true, cancelled));
        while self.messages.join_next().await.is_some() {}
        if let Err(error) = self.handling.queue.release_receiver().await {
            tracing::warn!(target: "sealmq", %error, "Prefetched messages come again later");
        }
        StopReport { cancelled }
    }
}

/// Ends when the deadline of a stop has passed.
async fn deadline(mut control: watch::Receiver<Control>) {
    let stop_by = control.wait_for(|control| control.stop_by.is_some()).await;
    match stop_by.map_or(None, |control| control.stop_by) {
        Some(stop_by) => tokio::time::sleep_until(stop_by).await,
        None => std::future::pending().await,
    }
}
