//! What the doubles share: counted calls that can be made to fail or to wait.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use sealmq_crypto_core::{KeyError, KeyErrorKind};
use tokio::sync::Notify;

/// The switches and counters of one double.
#[derive(Default)]
pub(crate) struct Switchboard {
    calls: AtomicUsize,
    running: AtomicUsize,
    most_running: AtomicUsize,
    held: AtomicBool,
    released: Notify,
    fault: Mutex<Option<KeyErrorKind>>,
    closed: AtomicUsize,
}

impl Switchboard {
    /// How many calls have begun.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// How many calls were under way at once, at most.
    pub(crate) fn most_running(&self) -> usize {
        self.most_running.load(Ordering::SeqCst)
    }

    /// From now on calls wait.
    pub(crate) fn hold(&self) {
        self.held.store(true, Ordering::SeqCst);
    }

    /// Calls go on.
    pub(crate) fn release(&self) {
        self.held.store(false, Ordering::SeqCst);
        self.released.notify_waiters();
    }

    /// From now on calls fail like this, or succeed again.
    pub(crate) fn fail(&self, kind: Option<KeyErrorKind>) {
        *self.fault.lock().unwrap() = kind;
    }

    /// How often it was closed.
    pub(crate) fn closed(&self) -> usize {
        self.closed.load(Ordering::SeqCst)
    }

    /// The end of a session, which is over even if the call fails.
    pub(super) async fn close(&self) -> Result<(), KeyError> {
        self.closed.fetch_add(1, Ordering::SeqCst);
        self.pass().await
    }

    /// One call: counted, held and failed as it was set.
    pub(super) async fn pass(&self) -> Result<(), KeyError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let _running = Running::new(self);
        loop {
            let released = self.released.notified();
            if !self.held.load(Ordering::SeqCst) {
                break;
            }
            released.await;
        }
        // A call to a service never ends at once.
        tokio::task::yield_now().await;
        let fault = self.fault.lock().unwrap().clone();
        fault.map_or(Ok(()), |kind| Err(KeyError::new(kind, "the double was told to fail")))
    }
}

/// Counts down also when the call is dropped.
struct Running<'a>(&'a Switchboard);

impl<'a> Running<'a> {
    fn new(switchboard: &'a Switchboard) -> Self {
        let running = switchboard.running.fetch_add(1, Ordering::SeqCst) + 1;
        switchboard.most_running.fetch_max(running, Ordering::SeqCst);
        Self(switchboard)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}
