//! The known name that an unknown one was meant to be.

/// The nearest of the names, if one is near enough to be meant.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let far = (name.chars().count() / 3).max(2);
    let distances = known.into_iter().map(|known| (distance(name, known), known));
    distances.min_by_key(|(distance, _)| *distance).filter(|(d, _)| *d <= far).map(|(_, k)| k)
}

/// Why an unknown name is refused.
pub(crate) fn unknown<'a>(
    what: &str,
    name: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    match nearest(name, known.clone()) {
        Some(near) => format!("there is no such {what}; is {near} meant?"),
        None => {
            let known: Vec<_> = known.into_iter().collect();
            format!("there is no such {what}; there are {}", known.join(", "))
        }
    }
}

/// How many characters have to be changed, left out or put in (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let changed = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_no_far_one() {
        let known = ["url", "token", "connect_timeout_ms", "request_timeout_ms"];
        assert_eq!(nearest("conect_timeout_ms", known), Some("connect_timeout_ms"));
        assert_eq!(nearest("connect_timeout", known), Some("connect_timeout_ms"));
        assert_eq!(nearest("tokne", known), Some("token"));
        assert_eq!(nearest("mount", known), None);
        assert_eq!((distance("", "abc"), distance("abc", "abc")), (3, 0));
    }
}
