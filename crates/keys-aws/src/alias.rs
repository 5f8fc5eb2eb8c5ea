//! The names of a tenant's aliases in KMS.

use std::fmt::Write;

use sealmq_crypto_core::TenantId;
use sha2::{Digest, Sha256};

/// Names up to here are spelled out; longer ones are hashed. An alias has at most 256 characters.
const MAX_SPELLED_LEN: usize = 128;

/// The alias of the key that wraps for this tenant: `PREFIX/TENANT`.
///
/// Lower-case letters, digits and hyphens stand for themselves, every other byte is `_` and two
/// hexadecimal digits: no two tenants share an alias, not even where case is ignored. A name that
/// gets too long is `_sha256-` and its hash.
pub(crate) fn of_tenant(prefix: &str, tenant: &TenantId) -> String {
    let mut spelled = String::new();
    for byte in tenant.as_str().bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' => spelled.push(byte.into()),
            _ => push_hex(&mut spelled, "_", &[byte]),
        }
    }
    if spelled.len() > MAX_SPELLED_LEN {
        spelled.clear();
        push_hex(&mut spelled, "_sha256-", &Sha256::digest(tenant.as_str()));
    }
    format!("{prefix}/{spelled}")
}

/// The alias of one version of a tenant's KEK, which never moves: `PREFIX/TENANT/vN`.
pub(crate) fn of_version(tenant_alias: &str, version: u32) -> String {
    format!("{tenant_alias}/v{version}")
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

    fn alias(tenant: &str) -> String {
        of_tenant("alias/sealmq/test", &TenantId::new(tenant).unwrap())
    }

    #[test]
    fn names_are_spelled_in_what_an_alias_may_hold() {
        assert_eq!(alias("acme-7"), "alias/sealmq/test/acme-7");
        assert_eq!(alias("Acme/EU"), "alias/sealmq/test/_41cme_2f_45_55");
        assert_eq!(alias("ä_"), "alias/sealmq/test/_c3_a4_5f");
        assert_eq!(of_version(&alias("acme"), 3), "alias/sealmq/test/acme/v3");
    }

    #[test]
    fn no_two_tenants_share_an_alias_whatever_the_case() {
        let long = "L".repeat(128);
        let names = ["a", "A", "_41", "a/v1", "a_2fv1", "ä", "a\u{308}", &long, &long[1..]];
        let aliases: BTreeSet<_> = names.iter().map(|name| alias(name).to_lowercase()).collect();
        assert_eq!(aliases.len(), names.len());
    }

    #[test]
    fn no_alias_is_too_long() {
        let prefix = format!("alias/{}", "p".repeat(94));
        for letter in ["l", "L", "ä"] {
            let tenant = TenantId::new(&letter.repeat(128 / letter.len())).unwrap();
            let longest = of_version(&of_tenant(&prefix, &tenant), u32::MAX);
            assert!(longest.len() <= 256, "{} characters", longest.len());
        }
    }
}
