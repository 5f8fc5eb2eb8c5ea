//! The secret bytes of a key: on the heap, zeroized on drop, never shown.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::CryptoError;
use crate::random;

/// A 256-bit key: a named key, a DEK or a KEK.
///
/// # Contract
/// - 32 uniformly random bytes; derive with a KDF before constructing one from anything else.
/// - Lives in one heap block, which is zeroized on drop; moving the value moves no key bytes.
/// - Has no `Clone` and no serialization; `Debug` is redacted; equality takes constant time.
pub struct EncryptionKey(Box<Zeroizing<[u8; Self::LEN]>>);

impl EncryptionKey {
    /// Length of a key in bytes.
    pub const LEN: usize = 32;

    /// A fresh key from the kernel's random source.
    ///
    /// # Errors
    /// `KeyUnavailable` when the kernel gives no randomness.
    pub fn generate() -> Result<Self, CryptoError> {
        let mut key = Self::zeroed();
        random::fill_from_kernel(key.0.as_mut_slice())?;
        Ok(key)
    }

    /// The key of these 32 bytes. The caller's copy stays the caller's to zeroize.
    ///
    /// # Errors
    /// `InvalidInput` for any other length.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, CryptoError> {
        if bytes.len() != Self::LEN {
            let reason = format!("a key has {} bytes, not {}", Self::LEN, bytes.len());
            return Err(CryptoError::invalid_input("key", reason));
        }
        let mut key = Self::zeroed();
        key.0.copy_from_slice(bytes);
        Ok(key)
    }

    /// The secret bytes. Searching for this name finds every place that touches them.
    pub fn expose_secret(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    fn zeroed() -> Self {
        Self(Box::new(Zeroizing::new([0; Self::LEN])))
    }
}

impl PartialEq for EncryptionKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for EncryptionKey {}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncryptionKey([redacted])")
    }
}
