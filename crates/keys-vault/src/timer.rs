//! Time for leases: what passed, and waiting; tests bring their own.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

#[cfg(test)]
mod manual;
#[cfg(test)]
pub(crate) use manual::ManualTimer;

/// A source of time that never goes back.
#[async_trait]
pub(crate) trait Timer: Send + Sync + fmt::Debug {
    /// Time since some fixed moment.
    fn now(&self) -> Duration;

    /// Waits for so long.
    async fn sleep(&self, time: Duration);
}

/// The runtime's time.
#[derive(Debug)]
pub(crate) struct RuntimeTimer(Instant);

impl RuntimeTimer {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

#[async_trait]
impl Timer for RuntimeTimer {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}
