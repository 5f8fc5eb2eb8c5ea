//! The background task that renews what was granted, and its end.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::lease::{Grantor, Leased};
use crate::timer::Timer;

/// A running task; it ends when this is dropped.
pub(crate) struct Renewal(Mutex<Option<JoinHandle<()>>>);

impl Renewal {
    /// Begins to renew this, on the runtime of the caller.
    pub(crate) fn of<G: Grantor>(leased: &Arc<Leased<G>>, timer: Arc<dyn Timer>) -> Self {
        let task = tokio::spawn(keep_renewing(Arc::downgrade(leased), timer));
        Self(Mutex::new(Some(task)))
    }

    /// Ends the task, and waits until it has ended.
    pub(crate) async fn stop(&self) {
        let task = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.abort();
            let _ = task.await; // it says that it was aborted
        }
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        if let Some(task) = self.0.get_mut().unwrap_or_else(PoisonError::into_inner) {
            task.abort();
        }
    }
}

/// Holds what it renews only while there is something to do.
async fn keep_renewing<G: Grantor>(leased: Weak<Leased<G>>, timer: Arc<dyn Timer>) {
    loop {
        let Some(strong) = leased.upgrade() else { return };
        let (wait, changed) = (strong.next_renewal(), Arc::clone(&strong.changed));
        drop(strong);
        match wait {
            None => changed.notified().await,
            Some(Duration::ZERO) => {
                let Some(strong) = leased.upgrade() else { return };
                strong.renew().await;
            }
            Some(wait) => tokio::select! {
                () = timer.sleep(wait) => {}
                () = changed.notified() => {}
            },
        }
    }
}
