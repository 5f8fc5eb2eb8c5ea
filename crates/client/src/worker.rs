//! Behind a processor: bounded concurrency, lock renewal, settling, winding down.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::OptionFuture;
use sealmq_queue_core::{Feature, TransportErrorKind};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout_at};

use crate::client::QueueContext;
use crate::error::ClientErrorKind;
use crate::incoming::{IncomingMessage, ReceivedMessage};
use crate::processor::{Control, HandlerError, ProcessorOptions, StopReport};
use crate::receipt::MessageReceipt;

/// Receives, runs the handlers and settles, until it is told to stop.
pub(crate) struct Worker<H> {
    pub(crate) queue: Arc<QueueContext>,
    pub(crate) options: ProcessorOptions,
    pub(crate) handler: Arc<H>,
    pub(crate) control: watch::Receiver<Control>,
    pub(crate) cancel: watch::Sender<Control>,
}

impl<H, F> Worker<H>
where
    H: Fn(IncomingMessage) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), HandlerError>> + Send + 'static,
{
    pub(crate) async fn run(mut self) -> StopReport {
        let mut handlers = JoinSet::new();
        let (mut failures, mut closed) = (0, false);
        // One wait for messages, for as long as it takes. That a handler ends meanwhile is no
        // reason to begin another: to a broker each is a request, and one that is given up may have
        // been answered already, with messages that stay locked.
        let mut receiving = None;
        loop {
            let control = *self.control.borrow_and_update();
            if let Some(stop_by) = control.stop_by {
                drop(receiving);
                return self.wind_down(handlers, stop_by).await;
            }
            let free = control.concurrency.saturating_sub(handlers.len());
            if receiving.is_none() && free > 0 && !control.paused && !closed {
                let (queue, wait) = (Arc::clone(&self.queue), self.options.wait);
                let most = free.min(self.options.batch);
                receiving = Some(Box::pin(async move { queue.receive_sealed(most, wait).await }));
            }
            tokio::select! {
                // There may be fewer messages to take now, or none.
                _ = self.control.changed() => receiving = None,
                Some(_) = handlers.join_next() => {}
                // Whatever ends this wait first, nothing is lost: `receive_sealed` is cancel-safe,
                // and what it returned is opened outside of the race.
                Some(received) = OptionFuture::from(receiving.as_mut()) => {
                    receiving = None;
                    match received {
                        Ok(deliveries) => {
                            failures = 0;
                            let received = tokio::select! {
                                received = self.queue.open_deliveries(deliveries) => received,
                                // What was not opened by then comes again after its lock.
                                () = deadline(self.control.clone()) => Vec::new(),
                            };
                            for message in received.into_iter().flatten() {
                                handlers.spawn(self.handle(message));
                            }
                        }
                        Err(error) if *error.kind() == ClientErrorKind::Closed => closed = true,
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
        self.cancel.send_modify(|control| (control.cancel, control.cancelled) = (true, cancelled));
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
        if let ClientErrorKind::Transport(TransportErrorKind::Unsupported { .. }) =
            failed.error.kind()
        {
            return; // it left the queue when it was handed out
        }
        tracing::warn!(target: "sealmq", queue = queue.queue, error = %failed.error,
            "Message not settled, it may come again");
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

/// Ends a handler together with the one who waits for it.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
