//! The names of a tenant's keys in the vault.

use std::fmt::Write;

use sealmq_crypto_core::TenantId;
use sha2::{Digest, Sha256};

/// Names up to here are spelled out; longer ones are hashed. A key name has at most 127
/// characters, prefix and ending of a tombstone included.
const MAX_SPELLED_LEN: usize = 72;

/// What a tombstone's name ends with. It is no escape of a byte, so no tenant's key has this name.
const TOMBSTONE: &str = "-shredded";

/// The longest prefix that leaves room for the rest.
pub(crate) const MAX_PREFIX_LEN: usize = 40;

/// The key that wraps for this tenant: the prefix, a hyphen and the tenant.
///
/// Lower-case letters and digits stand for themselves, every other byte is a hyphen and two
/// hexadecimal digits: names in a vault are compared without case, and hold nothing else. A name
/// that gets too long is `-sha256-` and its hash.
pub(crate) fn of_tenant(prefix: &str, tenant: &TenantId) -> String {
    let mut spelled = String::new();
    for byte in tenant.as_str().bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' => spelled.push(byte.into()),
            _ => push_hex(&mut spelled, "-", &[byte]),
        }
    }
    if spelled.len() > MAX_SPELLED_LEN {
        spelled.clear();
        push_hex(&mut spelled, "-sha256-", &Sha256::digest(tenant.as_str()));
    }
    format!("{prefix}-{spelled}")
}

/// The key that is left behind when the key of this name was shredded.
pub(crate) fn tombstone_of(key: &str) -> String {
    format!("{key}{TOMBSTONE}")
}

/// Whether a vault takes this as the name of a key or a secret, with room for a tombstone's.
pub(crate) fn is_key_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=127 - TOMBSTONE.len()).contains(&name.len()) && name.bytes().all(plain)
}

fn push_hex(text: &mut String, before: &str, bytes: &[u8]) {
    text.push_str(before);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}"); // a string takes everything
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn name(tenant: &str) -> String {
        of_tenant("sealmq", &TenantId::new(tenant).unwrap())
    }

    #[test]
    fn names_are_spelled_in_what_a_vault_takes() {
        assert_eq!(name("acme7"), "sealmq-acme7");
        assert_eq!(name("acme-7"), "sealmq-acme-2d7");
        assert_eq!(name("Acme/EU"), "sealmq--41cme-2f-45-55");
        assert_eq!(name("ä"), "sealmq--c3-a4");
    }

    #[test]
    fn no_two_tenants_share_a_name_whatever_the_case() {
        let long = "L".repeat(128);
        let names =
            ["a", "A", "-41", "a-2d", "a-", "a-shredded", "ä", "a\u{308}", &long, &long[1..]];
        let mut seen = BTreeSet::new();
        for tenant in names {
            let key = name(tenant).to_lowercase();
            assert!(seen.insert(tombstone_of(&key)), "{tenant}");
            assert!(seen.insert(key), "{tenant}");
        }
    }

    #[test]
    fn no_name_is_too_long() {
        let prefix = "p".repeat(MAX_PREFIX_LEN);
        for letter in ["l", "L", "ä"] {
            let tenant = TenantId::new(&letter.repeat(128 / letter.len())).unwrap();
            let key = of_tenant(&prefix, &tenant);
            assert!(is_key_name(&key), "{key}");
            assert!(tombstone_of(&key).len() <= 127);
        }
    }
}
