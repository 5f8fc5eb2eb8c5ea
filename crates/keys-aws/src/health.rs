//! The probe of KMS: whether it answers and knows the caller.

use sealmq_crypto_core::KeyError;

use crate::config::KmsKeys;
use crate::error::{Call, Meaning};
use crate::keys::Keys;

/// One `DescribeKey`, which uses no key and is in every policy of this crate.
///
/// KMS says that a key is not there, or not the caller's to see, to those alone whose signature
/// it verified: both answers are good news. Whether a key can be used is for the self-test.
pub(crate) async fn check(keys: &Keys) -> Result<(), KeyError> {
    let name = name(&keys.keys, keys.any_met());
    let call = Call::new(format!("asking KMS for {name}"), "keys");
    let Err(error) = keys.sdk.describe_key().key_id(name).send().await else { return Ok(()) };
    let failed = call.failed(&error);
    match failed.meaning {
        Meaning::NotFound | Meaning::Forbidden => Ok(()),
        _ => Err(failed.into()),
    }
}

/// A key of the configuration. Where the configuration names none: a key that was met; before the
/// first one a name that no tenant's alias has.
fn name(keys: &KmsKeys, met: Option<String>) -> String {
    let named = match keys {
        KmsKeys::Shared(keys) => keys.last(),
        KmsKeys::Mapped(tenants) => tenants.values().find_map(|keys| keys.last()),
        KmsKeys::PerTenant { alias_prefix } => return met.unwrap_or_else(|| alias_prefix.clone()),
    };
    named.cloned().unwrap_or_default() // a valid configuration names one
}
