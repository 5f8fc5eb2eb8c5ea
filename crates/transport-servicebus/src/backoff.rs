//! How long to wait between attempts to get back what was lost.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

/// Pauses that double up to a limit, each between half and all of its length at random: clients
/// that lost the broker together do not come back together.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after one more failure.
    pub(crate) fn next_delay(&mut self) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(20));
        self.failures = self.failures.saturating_add(1);
        doubled.min(LONGEST).mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// Forgets the failures: it worked.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_differ() {
        let mut backoff = Backoff::default();
        let first = backoff.next_delay();
        assert!((FIRST / 2..=FIRST).contains(&first), "{first:?}");
        let later: Vec<_> = (0..40).map(|_| backoff.next_delay()).collect();
        assert!(later.iter().all(|pause| *pause <= LONGEST));
        assert!(later[20..].iter().all(|pause| *pause >= LONGEST / 2));
        assert!(later[20..].windows(2).any(|pair| pair[0] != pair[1]), "jitter");
        backoff.reset();
        assert!(backoff.next_delay() <= FIRST);
    }
}
