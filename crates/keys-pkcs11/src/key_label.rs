//! The label that the keys of a tenant bear in the token.

use sealmq_crypto_core::TenantId;
use sha2::{Digest, Sha256};

/// The longest readable name of a tenant within a label, in bytes.
const MAX_READABLE: usize = 64;

/// `prefix/tenant`, of at most 98 bytes of ASCII: tokens differ in what else they keep.
///
/// Letters, digits, `-`, `_` and `.` of the tenant stand for themselves, any other byte as `%XX`.
/// What would be longer than 64 bytes is `~` and the SHA-256 of the name in hexadecimal instead; no
/// readable name begins with a tilde.
pub(crate) fn key_label(prefix: &str, tenant: &TenantId) -> Vec<u8> {
    let mut name = String::new();
    for byte in tenant.as_str().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => name.push(byte.into()),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    if name.len() > MAX_READABLE {
        let hash = Sha256::digest(tenant.as_str());
        name = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        name.insert(0, '~');
    }
    format!("{prefix}/{name}").into_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn label(tenant: &str) -> String {
        String::from_utf8(key_label("sealmq", &TenantId::new(tenant).unwrap())).unwrap()
    }

    #[test]
    fn labels_are_readable_and_differ() {
        assert_eq!(label("acme-1_a.b"), "sealmq/acme-1_a.b");
        assert_eq!(label("a b/ä"), "sealmq/a%20b%2F%C3%A4");
        let long = "l".repeat(128);
        let names = ["a", "A", "a ", " a", "~a", "a%20", "a/b", "a/../b", &long, &long[1..]];
        let labels: BTreeSet<_> = names.iter().map(|name| label(name)).collect();
        assert_eq!(labels.len(), names.len());
        assert!(labels.iter().all(|label| label.len() <= "sealmq/".len() + 65));
    }

    #[test]
    fn a_long_name_cannot_be_spelled_as_a_short_one() {
        let long = label(&"l".repeat(128));
        assert!(long.starts_with("sealmq/~"), "{long}");
        assert_ne!(label(long.strip_prefix("sealmq/").unwrap()), long);
    }
}
