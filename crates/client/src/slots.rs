//! How many handlers of a processor are at work, and who may begin next.

use std::sync::Arc;

use tokio::sync::watch;

use crate::control::Control;

/// As many places as the processor's control allows now.
pub(crate) struct Slots {
    busy: watch::Sender<usize>,
    control: watch::Receiver<Control>,
}

impl Slots {
    pub(crate) fn new(control: watch::Receiver<Control>) -> Arc<Self> {
        Arc::new(Self { busy: watch::Sender::new(0), control })
    }

    pub(crate) fn busy(&self) -> usize {
        *self.busy.borrow()
    }

    /// How many may begin now.
    pub(crate) fn free(&self) -> usize {
        self.allowed().saturating_sub(self.busy())
    }

    pub(crate) fn try_take(self: &Arc<Self>) -> Option<Slot> {
        let allowed = self.allowed();
        let taken = self.busy.send_if_modified(|busy| {
            let is_free = *busy < allowed;
            *busy += usize::from(is_free);
            is_free
        });
        taken.then(|| Slot(Arc::clone(self)))
    }

    fn allowed(&self) -> usize {
        let Control { concurrency, paused, .. } = *self.control.borrow();
        if paused { 0 } else { concurrency }
    }

    /// Waits for a place. Cancel-safe.
    pub(crate) async fn take(self: &Arc<Self>) -> Slot {
        let (mut busy, mut control) = (self.busy.subscribe(), self.control.clone());
        loop {
            if let Some(slot) = self.try_take() {
                return slot;
            }
            tokio::select! {
                _ = busy.changed() => {}
                Ok(()) = control.changed() => {}
            }
        }
    }
}

/// A handler's place, for as long as this lives.
pub(crate) struct Slot(Arc<Slots>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.busy.send_modify(|busy| *busy -= 1);
    }
}
