//! How long locks last. The broker says only when one ends.

use std::time::{Duration, SystemTime};

/// "Message transfers, locks, and settlement": the longest lock there is.
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// What to go by when the clocks of the broker and of this machine are too far apart to tell: short,
/// so that locks are renewed too often rather than too late.
const UNKNOWN: Duration = Duration::from_secs(5);
/// Locks are set in whole seconds; what is missing to one was spent on the way.
const ON_THE_WAY: Duration = Duration::from_millis(250);

/// The length of a lock that was taken just now and ends then.
pub(crate) fn from_now_until(until: Option<SystemTime>) -> Duration {
    until.map_or(UNKNOWN, |until| between(SystemTime::now(), until))
}

fn between(now: SystemTime, until: SystemTime) -> Duration {
    let Ok(left) = until.duration_since(now) else {
        return UNKNOWN;
    };
    let seconds = Duration::from_secs((left + ON_THE_WAY).as_secs());
    let whole = if seconds > left { seconds } else { left };
    if whole > LONGEST + ON_THE_WAY { UNKNOWN } else { whole.min(LONGEST) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_to_a_whole_second_was_spent_on_the_way() {
        let now = SystemTime::now();
        let table = [
            (1_998, 2_000),
            (2_000, 2_000),
            (1_760, 2_000),
            (1_700, 1_700),
            (59_990, 60_000),
            (299_900, 300_000),
            (300_100, 300_000),
            (400_000, 5_000),
        ];
        for (left, expected) in table {
            let until = now + Duration::from_millis(left);
            assert_eq!(between(now, until), Duration::from_millis(expected), "{left} ms left");
        }
        assert_eq!(between(now, now - Duration::from_secs(1)), UNKNOWN);
        assert_eq!(from_now_until(None), UNKNOWN);
    }
}
