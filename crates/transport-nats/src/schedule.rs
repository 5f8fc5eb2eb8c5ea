//! Orders to the server about time: hold a message back, let it expire.

use std::time::{Duration, SystemTime};

use async_nats::HeaderMap;
use sealmq_queue_core::{Message, TransportError};

use crate::capabilities::LONGEST_TIME;
use crate::wire;

/// When the server is to send the message on, and where to.
/// <https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-51.md>
const SCHEDULE: &str = "Nats-Schedule";
const SCHEDULE_TARGET: &str = "Nats-Schedule-Target";
/// Time to live of what is sent on; the other would be that of the schedule itself.
const SCHEDULE_TTL: &str = "Nats-Schedule-TTL";
/// <https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-43.md>
const TTL: &str = "Nats-TTL";

/// Whether the server is to hold a message back.
pub(crate) fn is_held_back(message: &Message) -> bool {
    message.delay.is_some_and(|delay| !delay.is_zero())
}

/// Adds the orders that a message brings.
///
/// # Errors
/// `InvalidInput` for a time to live of nothing.
pub(crate) fn set_orders(
    headers: &mut HeaderMap,
    message: &Message,
    target: &str,
    now: SystemTime,
) -> Result<(), TransportError> {
    let delay = message.delay.filter(|_| is_held_back(message));
    if let Some(delay) = delay {
        wire::set(headers, SCHEDULE, &format!("@at {}", rfc3339(now + delay.min(LONGEST_TIME))));
        wire::set(headers, SCHEDULE_TARGET, target);
    }
    if let Some(time_to_live) = message.time_to_live {
        let name = if delay.is_some() { SCHEDULE_TTL } else { TTL };
        wire::set(headers, name, &format!("{}s", whole_seconds(time_to_live)?));
    }
    Ok(())
}

/// The server counts in seconds: a started one counts whole.
fn whole_seconds(time_to_live: Duration) -> Result<u64, TransportError> {
    if time_to_live.is_zero() {
        return Err(TransportError::invalid_input("time_to_live", "must not be zero"));
    }
    let time_to_live = time_to_live.min(LONGEST_TIME);
    Ok(time_to_live.as_secs() + u64::from(time_to_live.subsec_nanos() > 0))
}

/// A time of today or later in the form of RFC 3339, to the microsecond.
fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let micros = since.subsec_micros();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// Year, month and day of a number of days since 1970-01-01.
/// <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153; // March is 0
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, micros: u64) -> String {
        let since = Duration::from_secs(seconds) + Duration::from_micros(micros);
        rfc3339(SystemTime::UNIX_EPOCH + since)
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(at(0, 0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(at(951_782_399, 999_999), "2000-02-28T23:59:59.999999Z");
        assert_eq!(at(951_782_400, 0), "2000-02-29T00:00:00.000000Z");
        assert_eq!(at(1_709_251_199, 0), "2024-02-29T23:59:59.000000Z");
        assert_eq!(at(1_795_325_617, 469_664), "2026-11-22T05:33:37.469664Z");
        assert_eq!(at(4_107_542_400, 0), "2100-03-01T00:00:00.000000Z");
    }

    fn orders(message: &Message) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        set_orders(&mut headers, message, "target", SystemTime::UNIX_EPOCH).unwrap();
        let mut orders: Vec<_> = headers
            .iter()
            .map(|(name, values)| (name.to_string(), values[0].to_string()))
            .collect();
        orders.sort();
        orders
    }

    #[test]
    fn a_delay_is_an_order_to_send_it_on() {
        let message = Message::new("").with_delay(Duration::from_millis(1_500));
        let expected = [
            ("Nats-Schedule", "@at 1970-01-01T00:00:01.500000Z"),
            ("Nats-Schedule-Target", "target"),
        ];
        assert_eq!(orders(&message), expected.map(|(name, v)| (name.into(), v.into())));
        assert!(orders(&Message::new("").with_delay(Duration::ZERO)).is_empty());
    }

    #[test]
    fn the_time_to_live_is_in_whole_seconds_and_counts_from_when_it_is_due() {
        let live = |millis| Message::new("").with_time_to_live(Duration::from_millis(millis));
        assert_eq!(orders(&live(1)), [("Nats-TTL".into(), "1s".into())]);
        assert_eq!(orders(&live(2_000)), [("Nats-TTL".into(), "2s".into())]);
        let both = orders(&live(2_001).with_delay(Duration::from_secs(1)));
        assert!(both.contains(&("Nats-Schedule-TTL".into(), "3s".into())), "{both:?}");
        assert!(!both.iter().any(|(name, _)| name == "Nats-TTL"), "{both:?}");
    }

    #[test]
    fn a_time_to_live_of_nothing_is_refused() {
        let message = Message::new("").with_time_to_live(Duration::ZERO);
        let mut headers = HeaderMap::new();
        assert!(set_orders(&mut headers, &message, "target", SystemTime::UNIX_EPOCH).is_err());
    }
}
