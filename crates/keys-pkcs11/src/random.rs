//! Random bytes from the kernel, as this crate's errors.

use sealmq_crypto_core::{EncryptionKey, KeyError, KeyErrorKind};

const NO_RANDOMNESS: &str = "the kernel gives no randomness";

pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        KeyError::new(KeyErrorKind::Unavailable, NO_RANDOMNESS).with_source(error)
    })?;
    Ok(bytes)
}

pub(crate) fn random_key() -> Result<EncryptionKey, KeyError> {
    EncryptionKey::generate()
        .map_err(|error| KeyError::new(KeyErrorKind::Unavailable, NO_RANDOMNESS).with_source(error))
}
