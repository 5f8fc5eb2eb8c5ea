//! Randomness for sources of keys, as their errors.

use super::error::{KeyError, KeyErrorKind};
use crate::random::fill_from_kernel;
use crate::secret::EncryptionKey;

/// Random bytes for the nonces, salts and names that a source of keys makes: straight from the
/// kernel, safe after fork; with the feature `fips` from the validated module.
///
/// # Errors
/// `Unavailable` when there is no randomness.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    fill_from_kernel(&mut bytes).map_err(no_randomness)?;
    Ok(bytes)
}

/// A fresh key, as [`EncryptionKey::generate`] makes it.
///
/// # Errors
/// As [`random_bytes`].
pub fn random_key() -> Result<EncryptionKey, KeyError> {
    EncryptionKey::generate().map_err(no_randomness)
}

fn no_randomness(error: crate::CryptoError) -> KeyError {
    KeyError::new(KeyErrorKind::Unavailable, "the kernel gives no randomness").with_source(error)
}
