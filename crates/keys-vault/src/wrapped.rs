//! The form of Transit's ciphertexts: `vault:v<version>:<base64>`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What AES-256-GCM with a 96-bit nonce makes of 32 bytes: nonce, ciphertext, tag.
const WRAPPED_DEK_LEN: usize = 12 + 32 + 16;

/// The longest wrapped DEK as text: ten digits of a version.
pub(crate) const MAX_WRAPPED_LEN: usize = "vault:v:".len() + 10 + WRAPPED_DEK_LEN.div_ceil(3) * 4;

/// A ciphertext taken apart. There is one text for each, so that none has a second name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ciphertext {
    pub(crate) version: u32,
    pub(crate) bytes: Vec<u8>,
}

impl Ciphertext {
    /// The ciphertext of this text; nothing if the text is another one than
    /// [`Ciphertext::text`] makes.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let (version, base64) = text.strip_prefix("vault:v")?.split_once(':')?;
        if !version.starts_with(|first: char| ('1'..='9').contains(&first)) {
            return None;
        }
        let version = version.bytes().all(|byte| byte.is_ascii_digit()).then_some(version)?;
        let (version, bytes) = (version.parse().ok()?, STANDARD.decode(base64).ok()?);
        Some(Self { version, bytes })
    }

    /// A wrapped DEK; nothing if it has another length.
    pub(crate) fn parse_wrapped_dek(wrapped: &[u8]) -> Option<Self> {
        let short = Some(wrapped).filter(|wrapped| wrapped.len() <= MAX_WRAPPED_LEN)?;
        Self::parse(short).filter(Self::is_wrapped_dek)
    }

    pub(crate) fn is_wrapped_dek(&self) -> bool {
        self.bytes.len() == WRAPPED_DEK_LEN
    }

    pub(crate) fn text(&self) -> String {
        text(self.version, &self.bytes)
    }
}

pub(crate) fn text(version: u32, bytes: &[u8]) -> String {
    format!("vault:v{version}:{}", STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_taken_apart_and_made_again() {
        for version in [1, 10, u32::MAX] {
            let ciphertext = Ciphertext { version, bytes: vec![7; WRAPPED_DEK_LEN] };
            let text = ciphertext.text();
            assert!(text.len() <= MAX_WRAPPED_LEN);
            assert_eq!(Ciphertext::parse_wrapped_dek(text.as_bytes()), Some(ciphertext));
        }
    }

    #[test]
    fn every_other_text_is_refused() {
        let fine = text(1, &[7; WRAPPED_DEK_LEN]);
        assert!(Ciphertext::parse_wrapped_dek(fine.as_bytes()).is_some());
        for bad in [
            fine.replace("v1", "v0"),
            fine.replace("v1", "v01"),
            fine.replace("v1", "v+1"),
            fine.replace("v1", "v"),
            fine.replace("v1", "v4294967296"),
            fine.replace("vault", "Vault"),
            fine.replace("v1:", "v1::"),
            fine.clone() + "=",
            fine.clone() + "\n",
            fine[..fine.len() - 4].to_owned(),
            text(1, &[7; WRAPPED_DEK_LEN + 3]),
            "vault:v1:".to_owned(),
            String::new(),
        ] {
            assert_eq!(Ciphertext::parse_wrapped_dek(bad.as_bytes()), None, "{bad:?}");
        }
        // Transit itself takes unused bits in the last character, and line breaks.
        assert_eq!(Ciphertext::parse(b"vault:v1:AB=="), None);
        assert_eq!(Ciphertext::parse(b"vault:v1:AA\nAA"), None);
        assert!(Ciphertext::parse(b"vault:v1:AAAA").is_some());
    }
}
