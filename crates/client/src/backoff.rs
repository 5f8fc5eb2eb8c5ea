//! The one retry policy: how often, and how long between.

use std::future::Future;
use std::time::Duration;

use crate::error::ClientError;

/// How the client retries what may succeed later. Adapters do not retry: this is the one owner.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first included.
    pub max_attempts: u32,
    /// The pause after the first attempt, before jitter; it doubles after each further one.
    pub base_delay: Duration,
    /// The longest pause, before jitter.
    pub max_delay: Duration,
}

impl Default for RetryPolicy {
    /// Four attempts, with pauses of up to 100, 200 and 400 ms.
    fn default() -> Self {
        Self {
            max_attempts: 4,
            base_delay: Duration::from_millis(100),
            max_delay: Duration::from_secs(30),
        }
    }
}

impl RetryPolicy {
    /// One attempt and no more.
    pub fn none() -> Self {
        Self { max_attempts: 1, ..Self::default() }
    }

    /// The same policy with this many attempts.
    #[must_use]
    pub fn with_max_attempts(mut self, max_attempts: u32) -> Self {
        self.max_attempts = max_attempts;
        self
    }

    /// The same policy with these pauses.
    #[must_use]
    pub fn with_delays(mut self, base_delay: Duration, max_delay: Duration) -> Self {
        (self.base_delay, self.max_delay) = (base_delay, max_delay);
        self
    }

    /// The pause after attempt number `attempt`, counted from 1: between half and all of the
    /// doubled base, at random, so that clients that failed together do not come back together.
    pub(crate) fn delay(&self, attempt: u32) -> Duration {
        let doubled = self.base_delay.saturating_mul(1 << attempt.saturating_sub(1).min(20));
        doubled.min(self.max_delay).mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// The same pause, or a longer one where the other side asked for it; never longer than the
    /// longest.
    pub(crate) fn delay_as_asked(&self, attempt: u32, asked: Option<Duration>) -> Duration {
        self.delay(attempt).max(asked.unwrap_or_default().min(self.max_delay))
    }

    /// Whether another attempt follows attempt number `attempt`.
    pub(crate) fn allows_after(&self, attempt: u32) -> bool {
        attempt < self.max_attempts
    }

    /// Runs `call` until it succeeds, fails for good, or the attempts are used up.
    pub(crate) async fn run<T, E, F>(&self, mut call: impl FnMut() -> F) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, E>>,
        ClientError: From<E>,
    {
        let mut attempt = 1;
        loop {
            match call().await.map_err(ClientError::from) {
                Err(error) if error.is_retryable() && self.allows_after(attempt) => {
                    tokio::time::sleep(self.delay_as_asked(attempt, error.retry_after())).await;
                    attempt += 1;
                }
                result => return result,
            }
        }
    }
}
