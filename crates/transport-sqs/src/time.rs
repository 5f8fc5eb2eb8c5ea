//! Durations as SQS takes them: whole seconds, rounded up so that nothing happens too early.

use std::time::Duration;

use sealmq_queue_core::TransportError;

/// The longest a message can stay invisible, counted from when it was received: 12 hours.
///
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html>
pub(crate) const MAX_VISIBILITY: Duration = Duration::from_secs(43_200);

/// The seconds of a duration, a started one counted as a whole.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

/// The seconds of a visibility timeout, naming `field` where it is too long.
///
/// # Errors
/// `InvalidInput`.
pub(crate) fn visibility_seconds(
    field: &'static str,
    duration: Duration,
) -> Result<i32, TransportError> {
    if duration > MAX_VISIBILITY {
        let reason = format!("at most {} s", MAX_VISIBILITY.as_secs());
        return Err(TransportError::invalid_input(field, reason));
    }
    i32::try_from(whole_seconds(duration))
        .map_err(|_| TransportError::invalid_input(field, "too long"))
}

/// As [`visibility_seconds`], for a lock, which has to last.
///
/// # Errors
/// `InvalidInput`.
pub(crate) fn lock_seconds(field: &'static str, duration: Duration) -> Result<i32, TransportError> {
    if duration.is_zero() {
        return Err(TransportError::invalid_input(field, "must not be zero"));
    }
    visibility_seconds(field, duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_started_second_counts_whole() {
        let cases = [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2), (43_200_000, 43_200)];
        for (millis, seconds) in cases {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds, "{millis} ms");
        }
    }

    #[test]
    fn twelve_hours_are_the_most() {
        assert_eq!(visibility_seconds("delay", MAX_VISIBILITY).unwrap(), 43_200);
        let over = visibility_seconds("delay", MAX_VISIBILITY + Duration::from_nanos(1));
        assert!(over.unwrap_err().to_string().contains("invalid delay"));
        assert!(lock_seconds("duration", Duration::ZERO).is_err());
    }
}
