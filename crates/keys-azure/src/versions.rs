//! The count of a key's versions, which Key Vault only names.
//!
//! Versions are counted in the order of their creation, and by their ids within one second: the
//! vault tells no more. So the place of a version is final once its second is over, and
//! [`crate::lifecycle`] waits for that.
//!
//! Creating a key that is there makes one more version of it, and nothing keeps two clients from
//! creating the same key at once. Each first version carries a tag with a random value, and a
//! rotation copies it: a later version with a value of its own is a twin of the first one, and
//! counts as it.

use std::collections::HashSet;

use sealmq_crypto_core::KeyError;

use crate::client::Listed;
use crate::error::malformed;
use crate::wrapped::VERSION_ID_LEN;

/// The tag of a first version.
pub(crate) const FIRST_USE: &str = "sealmq-first-use";

/// A version with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) number: u32,
    pub(crate) id: String,
    pub(crate) created: i64,
}

/// The versions in order, with their numbers, from 1.
pub(crate) fn count(mut versions: Vec<Listed>) -> Vec<Counted> {
    versions.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
    let mut first_uses = HashSet::new();
    let mut last = 0;
    let mut counted = Vec::with_capacity(versions.len());
    for Listed { id, created, tags } in versions {
        let is_new_value =
            tags.get(FIRST_USE).is_some_and(|value| first_uses.insert(value.clone()));
        let is_twin = is_new_value && last > 0;
        let number = if is_twin { 1 } else { last + 1 };
        last = last.max(number);
        counted.push(Counted { number, id, created });
    }
    counted
}

/// The version that wraps: of the highest number, the earliest if there are twins.
pub(crate) fn latest(versions: &[Counted]) -> Option<&Counted> {
    versions.iter().rev().max_by_key(|version| version.number)
}

/// A version id as bytes.
///
/// # Errors
/// `Malformed` when it is not of 32 lower-case hexadecimal digits.
pub(crate) fn parse_id(id: &str) -> Result<[u8; VERSION_ID_LEN], KeyError> {
    let refused = || malformed("a version id that is not of 32 hexadecimal digits");
    if !is_id(id) {
        return Err(refused());
    }
    let mut bytes = [0; VERSION_ID_LEN];
    for (byte, digits) in bytes.iter_mut().zip(id.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).map_err(|_| refused())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| refused())?;
    }
    Ok(bytes)
}

/// The version id of these bytes.
pub(crate) fn show_id(bytes: &[u8; VERSION_ID_LEN]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether this is how the vault writes a version id.
pub(crate) fn is_id(id: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    id.len() == 2 * VERSION_ID_LEN && id.bytes().all(digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(id: &str, created: i64, first_use: Option<&str>) -> Listed {
        let tags = first_use.map(|value| (FIRST_USE.to_owned(), value.to_owned()));
        Listed { id: id.into(), created, tags: tags.into_iter().collect() }
    }

    fn numbers(versions: Vec<Listed>) -> Vec<(String, u32)> {
        count(versions).into_iter().map(|version| (version.id, version.number)).collect()
    }

    fn expected(pairs: &[(&str, u32)]) -> Vec<(String, u32)> {
        pairs.iter().map(|(id, number)| ((*id).to_owned(), *number)).collect()
    }

    #[test]
    fn rotations_are_counted_in_order_of_time_and_id() {
        let versions = vec![
            version("b", 7, Some("x")),
            version("c", 5, Some("x")),
            version("a", 7, Some("x")),
            version("d", 9, None), // made by hand
        ];
        assert_eq!(numbers(versions), expected(&[("c", 1), ("a", 2), ("b", 3), ("d", 4)]));
    }

    #[test]
    fn twins_of_first_use_count_once() {
        let versions = vec![
            version("a", 5, Some("x")),
            version("b", 5, Some("y")),
            version("c", 6, Some("y")), // a rotation, whichever twin it copied
            version("d", 7, Some("z")), // a twin that was created late
        ];
        assert_eq!(numbers(versions.clone()), expected(&[("a", 1), ("b", 1), ("c", 2), ("d", 1)]));
        assert_eq!(latest(&count(versions)).unwrap().id, "c");
    }

    #[test]
    fn of_twins_the_earliest_wraps() {
        let versions = vec![version("b", 5, Some("y")), version("a", 5, Some("x"))];
        assert_eq!(latest(&count(versions)).unwrap().id, "a");
        assert_eq!(latest(&[]), None);
    }

    #[test]
    fn ids_are_32_lower_case_digits() {
        let id = "00ff102030405060708090a0b0c0d0e0";
        assert_eq!(show_id(&parse_id(id).unwrap()), id);
        for refused in ["", &id[1..], &id.to_uppercase(), "zzff102030405060708090a0b0c0d0e0"] {
            assert!(parse_id(refused).is_err(), "{refused}");
        }
    }
}
