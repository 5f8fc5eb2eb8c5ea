//! A clock for tests, which moves when it is told to.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::Timer;

/// A clock that stands until it is moved, and wakes those who sleep.
#[derive(Debug, Default)]
pub(crate) struct ManualTimer {
    now: Mutex<Duration>,
    moved: Notify,
}

impl ManualTimer {
    pub(crate) fn advance(&self, seconds: u64) {
        *self.now.lock().unwrap() += Duration::from_secs(seconds);
        self.moved.notify_waiters();
    }
}

#[async_trait]
impl Timer for ManualTimer {
    fn now(&self) -> Duration {
        *self.now.lock().unwrap()
    }

    async fn sleep(&self, time: Duration) {
        let end = self.now() + time;
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            if self.now() >= end {
                return;
            }
            moved.await;
        }
    }
}
