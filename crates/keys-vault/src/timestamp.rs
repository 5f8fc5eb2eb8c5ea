//! Times as the server writes them (RFC 3339, UTC), to be held against a clock.

/// Whether a time of the server, `2026-11-22T07:39:42.896923902Z`, is at or before this one. One
/// that cannot be read counts as past: what it ends is then over.
pub(crate) fn is_past(text: &str, now_unix_ms: u64) -> bool {
    seconds(text).is_none_or(|seconds| seconds <= now_unix_ms / 1000)
}

fn seconds(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date.split('-'))?;
    let [hour, minute, second] = numbers(time.split('.').next()?.split(':'))?;
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years that begin in March put the leap day at their end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days_before_month = (153 * month + 2) / 5;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + days_before_month + day - 1;
    let since_1970 = days.checked_sub(719_468)?;
    Some(since_1970 * 86_400 + hour * 3_600 + minute * 60 + second)
}

fn numbers<'a>(parts: impl Iterator<Item = &'a str>) -> Option<[u64; 3]> {
    let numbers: Vec<u64> = parts.map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let numbers: [u64; 3] = numbers.try_into().ok()?;
    numbers.iter().all(|number| *number < 10_000).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_seconds_since_1970() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2000-02-29T23:59:59.5Z"), Some(951_868_799));
        assert_eq!(seconds("2000-03-01T00:00:00Z"), Some(951_868_800));
        assert_eq!(seconds("2026-11-22T07:39:42.896923902Z"), Some(1_795_333_182));
        for bad in ["", "2026-11-22", "2026-11-22T07:39:42+01:00", "2026-13-01T00:00:00Z", "x"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_moment_is_past_from_its_second_on_and_so_is_nonsense() {
        let text = "2000-03-01T00:00:00.9Z";
        assert!(!is_past(text, 951_868_799_999));
        assert!(is_past(text, 951_868_800_000));
        assert!(is_past("soon", 0));
    }
}
