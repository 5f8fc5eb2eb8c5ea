//! The background task that renews the token, and its end.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::session::Session;
use crate::timer::Timer;

/// A running task; it ends when this is dropped.
pub(crate) struct Renewal(Mutex<Option<JoinHandle<()>>>);

impl Renewal {
    /// Begins to renew the token of this session, on the runtime of the caller.
    pub(crate) fn of(session: &Arc<Session>, timer: Arc<dyn Timer>) -> Self {
        let task = tokio::spawn(keep_renewing(Arc::downgrade(session), timer));
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

/// Holds the session only while there is something to do.
async fn keep_renewing(session: Weak<Session>, timer: Arc<dyn Timer>) {
    loop {
        let Some(strong) = session.upgrade() else { return };
        let (wait, changed) = (strong.next_renewal(), Arc::clone(&strong.changed));
        drop(strong);
        match wait {
            None => changed.notified().await,
            Some(Duration::ZERO) => {
                let Some(strong) = session.upgrade() else { return };
                strong.renew().await;
            }
            Some(wait) => tokio::select! {
                () = timer.sleep(wait) => {}
                () = changed.notified() => {}
            },
        }
    }
}
