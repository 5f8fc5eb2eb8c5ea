//! The passphrase of a keyring file.

use sealmq_crypto_core::KeyError;
use zeroize::Zeroizing;

/// A passphrase: zeroized on drop, without `Clone` and without `Debug`.
///
/// The strength of a keyring file at rest is the strength of its passphrase: take one that a
/// password manager made.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes the text over. Other copies of it stay the caller's to zeroize.
    ///
    /// # Errors
    /// `InvalidInput` when it is empty.
    pub fn new(text: String) -> Result<Self, KeyError> {
        let text = Zeroizing::new(text);
        if text.is_empty() {
            return Err(KeyError::invalid_input("passphrase", "is empty"));
        }
        Ok(Self(text))
    }

    pub(crate) fn expose_secret(&self) -> &[u8] {
        self.0.as_bytes()
    }
}
