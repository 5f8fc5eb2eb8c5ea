//! From open to closed: what is still received, and who is still at work.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
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
