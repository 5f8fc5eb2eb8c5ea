//! From open to closed: what is still received, and who is still at work.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use crate::control::Control;

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
pub(crate) enum Phase {
    Open,
    /// Nothing is received any more; what was received is settled, and handlers may send.
    Draining,
    Closed,
}

/// What the clients of one connection know of its end.
pub(crate) struct Lifecycle {
    phase: watch::Sender<Phase>,
    processors: Mutex<Vec<watch::Sender<Control>>>,
    /// How many messages are handed out and not settled. Counted for each message, so no more than a
    /// number; whoever waits for it to be zero is told once the drain has begun.
    handed_out: AtomicUsize,
    all_settled: Notify,
}

impl Lifecycle {
    pub(crate) fn new() -> Self {
        let (phase, processors) = (watch::Sender::new(Phase::Open), Mutex::default());
        Self { phase, processors, handed_out: AtomicUsize::new(0), all_settled: Notify::new() }
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
        self.handed_out.fetch_add(1, Ordering::SeqCst);
        HandedOut(Arc::clone(self))
    }

    fn processors(&self) -> MutexGuard<'_, Vec<watch::Sender<Control>>> {
        self.processors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves on to this phase, never back; whether it is new.
    pub(crate) fn enter(&self, next: Phase) -> bool {
        self.phase.send_if_modified(|phase| {
            let is_new = *phase < next;
            if is_new {
                *phase = next;
            }
            is_new
        })
    }

    pub(crate) async fn drain(&self, stop_by: Instant) -> ShutdownReport {
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
        let _ = timeout_at(stop_by, self.until_all_are_settled()).await;
        ShutdownReport { cancelled, unsettled: self.handed_out.load(Ordering::SeqCst) }
    }

    async fn until_all_are_settled(&self) {
        loop {
            // Listening before it looks: the last one may be settled in between.
            let mut told = pin!(self.all_settled.notified());
            told.as_mut().enable();
            if self.handed_out.load(Ordering::SeqCst) == 0 {
                return;
            }
            told.await;
        }
    }
}

/// A message that somebody works on.
pub(crate) struct HandedOut(Arc<Lifecycle>);

impl Drop for HandedOut {
    fn drop(&mut self) {
        let was_last = self.0.handed_out.fetch_sub(1, Ordering::SeqCst) == 1;
        if was_last && self.0.is_ending() {
            self.0.all_settled.notify_waiters();
        }
    }
}
