//! Times as the services of AWS write them.

use std::time::{SystemTime, UNIX_EPOCH};

/// `2026-01-31T12:00:00Z`.
pub(crate) fn time(until: SystemTime) -> String {
    let seconds = until.duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Days since 1 March 2000, in years that begin with March: leap days come last.
    let days = days - 11_017;
    let years = (days * 4 + 3) / 1_461;
    let of_year = days - years * 1_461 / 4;
    let month = (of_year * 5 + 2) / 153;
    let day = of_year - (month * 153 + 2) / 5 + 1;
    let (year, month) = (2000 + years + month / 10, (month + 2) % 12 + 1);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_written_as_in_a_calendar() {
        let table = [
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_709_208_000, "2024-02-29T12:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (1_767_225_600, "2026-01-01T00:00:00Z"),
        ];
        for (seconds, text) in table {
            assert_eq!(time(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
