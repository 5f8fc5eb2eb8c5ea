//! Whether the clock of this machine can be believed.

use std::time::Duration;

use sealmq_crypto_core::{Clock, CryptoConfig};

/// 2024-01-01T00:00:00Z: a clock before it was never set.
const EARLIEST_MS: u64 = 1_704_067_200_000;

/// How far a clock may step back where the policy sets no skew.
const USUAL_SKEW: Duration = Duration::from_secs(120);

/// Both clocks at the moment the client was built.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClockBase {
    unix_ms: u64,
    monotonic: Duration,
}

impl ClockBase {
    pub(crate) fn of(clock: &dyn Clock) -> Self {
        Self { unix_ms: clock.unix_ms(), monotonic: clock.monotonic() }
    }

    /// Whether wall time is plausible, and has not gone back since.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn judge(self, clock: &dyn Clock, config: &CryptoConfig) -> Result<(), String> {
        let unix_ms = clock.unix_ms();
        if unix_ms < EARLIEST_MS {
            return Err("the clock says that it is before 2024".to_owned());
        }
        let passed = clock.monotonic().saturating_sub(self.monotonic);
        let expected = Duration::from_millis(self.unix_ms).saturating_add(passed);
        let back = expected.saturating_sub(Duration::from_millis(unix_ms));
        if back > config.freshness.map_or(USUAL_SKEW, |freshness| freshness.max_clock_skew) {
            return Err(format!("the clock went back by {} s", back.as_secs()));
        }
        Ok(())
    }
}
