//! A clock for freshness and keys that goes by tokio's: one `sleep` moves broker, client and keys.

use std::time::Duration;

use sealmq_crypto_core::Clock;
use tokio::time::Instant;

use super::START_MS;

#[derive(Debug)]
pub(crate) struct TokioClock {
    started: Instant,
}

impl TokioClock {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for TokioClock {
    fn unix_ms(&self) -> u64 {
        START_MS + u64::try_from(self.monotonic().as_millis()).unwrap()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}
