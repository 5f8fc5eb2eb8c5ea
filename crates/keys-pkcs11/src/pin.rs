//! The PIN of a token's user.

use std::path::Path;

use cryptoki::types::AuthPin;
use sealmq_crypto_core::KeyError;
use zeroize::Zeroizing;

/// The longest PIN, in bytes: no token is known that takes a longer one.
const MAX_LEN: usize = 255;

/// The PIN of the normal user of a token (`CKU_USER`), never that of its security officer:
/// zeroized on drop, without `Clone` and without `Debug`.
pub struct Pin(Zeroizing<Box<str>>);

impl Pin {
    /// Takes the text over. Other copies of it stay the caller's to zeroize.
    ///
    /// # Errors
    /// `InvalidInput` names `pin` when it is empty or has more than 255 bytes.
    pub fn new(text: String) -> Result<Self, KeyError> {
        Self::checked(&Zeroizing::new(text))
    }

    /// The text of this file, without the line break that ends it.
    ///
    /// # Errors
    /// `InvalidInput` names `pin_file` when it cannot be read or is not UTF-8, else as
    /// [`Pin::new`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path = path.as_ref();
        // The path is not repeated: people put the PIN itself there.
        let bad = |reason| KeyError::invalid_input("pin_file", reason);
        let bytes = std::fs::read(path)
            .map_err(|error| bad("the file cannot be read").with_source(error))?;
        let bytes = Zeroizing::new(bytes);
        let text = std::str::from_utf8(&bytes).map_err(|_| bad("the file is not UTF-8"))?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        Self::checked(text.strip_suffix('\r').unwrap_or(text))
    }

    fn checked(text: &str) -> Result<Self, KeyError> {
        if text.is_empty() || text.len() > MAX_LEN {
            return Err(KeyError::invalid_input("pin", format!("1 to {MAX_LEN} bytes")));
        }
        Ok(Self(Zeroizing::new(text.into())))
    }

    /// A copy that zeroizes itself, for one login.
    pub(crate) fn for_login(&self) -> AuthPin {
        AuthPin::new((*self.0).clone())
    }

    /// Whether it is the same text. Both are ours: nobody learns anything from the time it takes.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_may_end_with_a_line_break() {
        for (content, pin) in [("1234", "1234"), ("1234\n", "1234"), ("12 34\r\n", "12 34")] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(content.as_bytes()).unwrap();
            assert!(Pin::read(file.path()).unwrap().is(&Pin::new(pin.to_owned()).unwrap()));
        }
    }

    #[test]
    fn what_is_no_pin_is_refused() {
        assert!(Pin::new(String::new()).is_err());
        assert!(Pin::new("1".repeat(256)).is_err());
        assert!(Pin::read("/nowhere/pin").is_err());
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&[0xff, 0xfe]).unwrap();
        let error = Pin::read(file.path()).err().unwrap().to_string();
        assert!(error.contains("is not UTF-8"), "{error}");
    }
}
