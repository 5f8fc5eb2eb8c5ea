//! Names of Transit keys: any tenant's name, in the characters that Transit takes.

use std::fmt::Write;

use sealmq_crypto_core::{KeyError, TenantId};
use sha2::{Digest, Sha256};

/// The longest encoded tenant: a name is a file name on some storage back ends.
const LONGEST: usize = 120;

/// The name of a tenant's key: the prefix, then the tenant with every byte but letters, digits,
/// inner `-` and inner `.` as `_` and two hexadecimal digits. One that grows over 120 bytes is
/// `_h` and its SHA-256 instead, which no encoded name can be: `h` is no hexadecimal digit.
///
/// Two tenants never have the same name, and names differ in more than their case only where the
/// tenants do.
pub(crate) fn key_name(prefix: &str, tenant: &TenantId) -> String {
    let bytes = tenant.as_str().as_bytes();
    let mut name = String::with_capacity(prefix.len() + LONGEST);
    name.push_str(prefix);
    for (at, &byte) in bytes.iter().enumerate() {
        let inner = at > 0 && at + 1 < bytes.len();
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => name.push(byte.into()),
            b'-' | b'.' if inner => name.push(byte.into()),
            _ => push_hex(&mut name, "_", &[byte]),
        }
    }
    if name.len() > prefix.len() + LONGEST {
        name.truncate(prefix.len());
        push_hex(&mut name, "_h", &Sha256::digest(bytes));
    }
    name
}

fn push_hex(name: &mut String, mark: &str, bytes: &[u8]) {
    name.push_str(mark);
    for byte in bytes {
        let _ = write!(name, "{byte:02x}"); // a String takes everything
    }
}

/// A name that Transit takes: word characters, with `-` and `.` inside.
///
/// # Errors
/// `InvalidInput` for `key_name`.
pub(crate) fn check(name: &str) -> Result<(), KeyError> {
    let bytes = name.as_bytes();
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let ends = bytes.first().is_some_and(word) && bytes.last().is_some_and(word);
    if ends && bytes.iter().all(|byte| word(byte) || b"-.".contains(byte)) {
        return Ok(());
    }
    let reason = "is not of letters, digits and `_`, with `-` and `.` inside";
    Err(KeyError::invalid_input("key_name", reason))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn name(tenant: &str) -> String {
        key_name("sealmq-", &TenantId::new(tenant).unwrap())
    }

    #[test]
    fn names_are_readable_where_they_can_be() {
        assert_eq!(name("acme"), "sealmq-acme");
        assert_eq!(name("acme-eu.v2"), "sealmq-acme-eu.v2");
        assert_eq!(name("a_b/c"), "sealmq-a_5fb_2fc");
        assert_eq!(name("-a."), "sealmq-_2da_2e");
        assert_eq!(name("ä"), "sealmq-_c3_a4");
        assert_eq!(name(".."), "sealmq-_2e_2e");
    }

    #[test]
    fn a_long_name_is_hashed_and_a_name_that_looks_so_is_not_mistaken_for_it() {
        let hashed = name(&"ß".repeat(64));
        assert!(hashed.starts_with("sealmq-_h") && hashed.len() == 9 + 64, "{hashed}");
        assert!(name(&hashed["sealmq-".len()..]).starts_with("sealmq-_5fh"));
        assert_ne!(name(&"l".repeat(128)), name(&"l".repeat(127)));
    }

    #[test]
    fn every_name_is_taken_by_transit_and_is_the_only_one() {
        let odd = ["a", "A", "a.", ".a", "a/", "_a", "_61", "a b", "a%2f", "%", "a\u{308}", "ä"];
        let long: Vec<_> = (40..=128).map(|length| "ö".repeat(length / 2)).collect();
        let tenants: BTreeSet<&str> = odd.into_iter().chain(long.iter().map(|s| &**s)).collect();
        let names: BTreeSet<_> = tenants.iter().map(|tenant| name(tenant)).collect();
        assert_eq!(names.len(), tenants.len());
        for name in &names {
            check(name).unwrap();
        }
        for bad in ["", "-a", "a-", ".a", "a/b", "a b", "ä"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
