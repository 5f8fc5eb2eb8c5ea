//! The probe of the vault: whether it answers and knows the caller.

use sealmq_crypto_core::KeyError;

use crate::client::VaultKeys;
use crate::error::Meaning;

/// One short list of versions, which uses no key; a sender may list.
///
/// A receiver may not. The vault tells that to those alone whose token it took, so the refusal is
/// good news. Whether a key can be used is for the self-test.
pub(crate) async fn check(keys: &VaultKeys, key: &str) -> Result<(), KeyError> {
    match keys.ask(key).await {
        Err(failed) => match failed.meaning {
            Meaning::NotFound | Meaning::Forbidden => Ok(()),
            _ => Err(failed.error),
        },
        Ok(()) => Ok(()),
    }
}
