//! Dates of the calendar as points in time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The begin in UTC of a day that is written `YYYY-MM-DD`, from 1970 on; none if it is no date.
pub(crate) fn begin_of(date: &str) -> Option<SystemTime> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let written = parts.next().is_none() && [year, month, day].map(str::len) == [4, 2, 2];
    if !written || ![year, month, day].into_iter().all(digits) {
        return None;
    }
    let (year, month, day): (u64, u64, u64) =
        (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *lengths.get(usize::try_from(month.checked_sub(1)?).ok()?)?;
    if year < 1970 || !(1..=length).contains(&day) {
        return None;
    }
    let before =
        |year: u64| (year - 1) * 365 + (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400;
    let months: u64 = lengths.iter().take(usize::try_from(month - 1).ok()?).sum();
    let days = before(year) - before(1970) + months + day - 1;
    Some(UNIX_EPOCH + Duration::from_secs(days * 24 * 60 * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_what_is_none_is_refused() {
        let known = [
            ("1970-01-01", 0),
            ("1970-12-31", 364 * 86_400),
            ("2000-02-29", 951_782_400),
            ("2026-11-22", 1_795_305_600),
            ("2100-03-01", 4_107_542_400),
        ];
        for (date, seconds) in known {
            assert_eq!(begin_of(date), Some(UNIX_EPOCH + Duration::from_secs(seconds)), "{date}");
        }
        for none in [
            "",
            "2026-1-1",
            "2026-13-01",
            "2026-00-01",
            "2026-02-29",
            "2100-02-29",
            "1969-12-31",
            "2026-01-01T00:00:00Z",
            "2026-01-01-01",
            "+026-01-01",
            "2026-01-00",
        ] {
            assert_eq!(begin_of(none), None, "{none}");
        }
    }
}
