//! From open to closed: who is still at work, and the order in which everything ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sealmq_crypto_core::CryptoError;
use sealmq_queue_core::{TransportError, TransportErrorKind};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use crate::QueueClient;
use crate::error::ClientError;
use crate::processor::{Control, FOREVER};

/// How long the connection, and then the key sources, may take to close.
const CLOSING: Duration = Duration::from_secs(10);

/// What a shutdown found.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShutdownReport {
    /// Handlers that were cut off at the deadline; their messages went back to the queue.
    pub cancelled: usize,
    /// Messages that were handed out by a receive and not settled by the deadline. They come again
    /// when their locks have run out.
    pub unsettled: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Phase {
    Open,
    /// Nothing is received any more; what was received is settled, and handlers may send.
    Draining,
    Closed,
}

/// What the clients of one connection know of its end.
pub(crate) struct Lifecycle {
    phase: watch::Sender<Phase>,
    processors: Mutex<Vec<watch::Sender<Control>>>,
    /// How many messages are handed out and not settled.
    handed_out: watch::Sender<usize>,
}

impl Lifecycle {
    pub(crate) fn new() -> Self {
        let (phase, handed_out) = (watch::Sender::new(Phase::Open), watch::Sender::new(0));
        Self { phase, processors: Mutex::default(), handed_out }
    }

    pub(crate) fn is_closed(&self) -> bool {
        *self.phase.borrow() == Phase::Closed
    }

    /// Whether nothing is to be received any more.
    pub(crate) fn is_ending(&self) -> bool {
        *self.phase.borrow() >= Phase::Draining
    }

    /// Ends when nothing is to be received any more.
    pub(crate) async fn ending(&self) {
        // The sender is our own, so this ends by the phase alone.
        let _ = self.phase.subscribe().wait_for(|phase| *phase >= Phase::Draining).await;
    }

    /// Stops this processor at a shutdown.
    pub(crate) fn register(&self, processor: watch::Sender<Control>) {
        let mut processors = self.processors();
        processors.retain(|processor| !processor.is_closed());
        processors.push(processor);
    }

    /// Counts a message as handed out for as long as the result lives.
    pub(crate) fn hand_out(self: &Arc<Self>) -> HandedOut {
        self.handed_out.send_modify(|count| *count += 1);
        HandedOut(Arc::clone(self))
    }

    fn processors(&self) -> MutexGuard<'_, Vec<watch::Sender<Control>>> {
        self.processors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves on to this phase, never back; whether it is new.
    fn enter(&self, next: Phase) -> bool {
        self.phase.send_if_modified(|phase| {
            let is_new = *phase < next;
            if is_new {
                *phase = next;
            }
            is_new
        })
    }

    async fn drain(&self, stop_by: Instant) -> ShutdownReport {
        self.enter(Phase::Draining);
        let processors = self.processors().clone();
        for processor in &processors {
            processor.send_modify(|control| {
                let earlier = control.stop_by.is_some_and(|by| by < stop_by);
                control.stop_by = if earlier { control.stop_by } else { Some(stop_by) };
            });
        }
        let mut cancelled = 0;
        for processor in &processors {
            processor.closed().await; // by the deadline its handlers are cut off
            cancelled += processor.borrow().cancelled;
        }
        let mut handed_out = self.handed_out.subscribe();
        let _ = timeout_at(stop_by, handed_out.wait_for(|count| *count == 0)).await;
        let unsettled = *handed_out.borrow();
        ShutdownReport { cancelled, unsettled }
    }
}

/// A message that somebody works on.
pub(crate) struct HandedOut(Arc<Lifecycle>);

impl Drop for HandedOut {
    fn drop(&mut self) {
        self.0.handed_out.send_modify(|count| *count -= 1);
    }
}

impl QueueClient {
    /// Ends everything that was begun with this client and those of its other queues, in order:
    ///
    /// 1. Nothing is received any more: receives that wait end with `Closed`, and so do later ones;
    ///    streams end. [`QueueClient::health`] says that the client is not ready.
    /// 2. Handlers of all processors finish, and may send; messages that a receive handed out are
    ///    settled. Handlers that are still at work after `deadline` are cut off, and their messages
    ///    given back.
    /// 3. The connection is closed. What was fetched ahead is given back as it closes: another
    ///    consumer gets it at once and not when its lock has run out.
    /// 4. The key sources that the client was built with are closed: keys in memory are forgotten,
    ///    logins and leases are given back. Clients of other connections that share them lose them
    ///    too; where they are to stay, use [`Processor::stop`](crate::Processor::stop) and
    ///    [`QueueClient::close`], which do not touch keys.
    ///
    /// Metrics are handed to the recorder as they happen, so nothing of the client's is left to be
    /// flushed; an exporter that buffers is flushed by whoever installed it, after this.
    ///
    /// It returns by `deadline`, and what settling and closing take: closing is given up after ten
    /// seconds each for the connection and the keys. Repeating it is fine.
    ///
    /// # Errors
    /// Those of the transport, then those of the key sources; everything is closed all the same.
    pub async fn shutdown(&self, deadline: Duration) -> Result<ShutdownReport, ClientError> {
        let shared = &self.0.shared;
        let now = Instant::now();
        let stop_by = now.checked_add(deadline).unwrap_or(now + FOREVER);
        let report = shared.lifecycle.drain(stop_by).await;
        let connection = timeout(CLOSING, self.close()).await.unwrap_or_else(|_| {
            let context = "closing the connection took too long";
            Err(TransportError::new(TransportErrorKind::Unavailable, context).into())
        });
        let keys = match &shared.crypto {
            Some(crypto) => timeout(CLOSING, crypto.close()).await.unwrap_or_else(|_| {
                Err(CryptoError::unavailable("closing the key sources took too long"))
            }),
            None => Ok(()),
        };
        let ShutdownReport { cancelled, unsettled } = report;
        tracing::info!(target: "sealmq", cancelled, unsettled, "Client shut down");
        connection?;
        keys?;
        Ok(report)
    }

    /// Closes the connection at once, for the clients of all its queues; keys stay as they are.
    /// What was received can be settled until then, so stop processors first, or use
    /// [`QueueClient::shutdown`], which does. Repeating it is fine.
    ///
    /// # Errors
    /// The transport's; the client is closed all the same.
    pub async fn close(&self) -> Result<(), ClientError> {
        let released = self.0.release_receiver().await;
        if !self.0.shared.lifecycle.enter(Phase::Closed) {
            return Ok(());
        }
        self.0.shared.transport.close().await?;
        released
    }
}
