//! When a replay guard looks for expired nonces, while messages come.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often, at most.
const PAUSE: Duration = Duration::from_secs(60);

/// Whose turn it is to look: the first call's after each pause.
pub(crate) struct Turns {
    began: Instant,
    /// In seconds since then.
    next: AtomicU64,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), next: AtomicU64::new(0) }
    }

    /// Whether this call is to look; of several at once one is.
    pub(crate) fn take(&self) -> bool {
        let (now, next) = (self.began.elapsed().as_secs(), self.next.load(Ordering::Relaxed));
        let later = now + PAUSE.as_secs();
        let order = Ordering::Relaxed;
        now >= next && self.next.compare_exchange(next, later, order, order).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_looks_and_the_next_ones_do_not() {
        let turns = Turns::new();
        assert_eq!([turns.take(), turns.take(), turns.take()], [true, false, false]);
    }
}
