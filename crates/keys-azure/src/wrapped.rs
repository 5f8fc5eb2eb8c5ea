//! The binary form of a wrapped DEK.
//!
//! ```text
//! scheme u8 ‖ key_version u32 BE ‖ version id 16 ‖ salt 16
//!     scheme 1, A256KW                    ‖ ciphertext 80
//!     scheme 2, RSA-OAEP-256 and a MAC    ‖ ciphertext 256, 384 or 512
//!                                         ‖ key id of the MAC ‖ its length u8 ‖ MAC 32
//!     scheme 3, RSA-OAEP-256 alone        ‖ ciphertext 256, 384 or 512
//! ```

use sealmq_crypto_core::{EncryptionKeyId, KeyError};

use crate::error::malformed;

/// The longest form: an RSA key of 4096 bits, and the longest id of a MAC key.
pub(crate) const MAX_WRAPPED_LEN: usize = HEAD_LEN + 512 + 64 + 1 + MAC_LEN;

pub(crate) const VERSION_ID_LEN: usize = 16;
pub(crate) const SALT_LEN: usize = 16;
pub(crate) const MAC_LEN: usize = 32;

const HEAD_LEN: usize = 1 + 4 + VERSION_ID_LEN + SALT_LEN;
/// RFC 3394 adds 8 bytes to the 72 of [`crate::binding`].
const A256KW_LENS: &[usize] = &[80];
/// As long as the modulus: 2048, 3072 or 4096 bits.
const RSA_LENS: &[usize] = &[256, 384, 512];

/// How a form was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Symmetric,
    AuthenticatedRsa,
    BareRsa,
}

impl Scheme {
    fn byte(self) -> u8 {
        match self {
            Self::Symmetric => 1,
            Self::AuthenticatedRsa => 2,
            Self::BareRsa => 3,
        }
    }

    fn ciphertext_lens(self) -> &'static [usize] {
        match self {
            Self::Symmetric => A256KW_LENS,
            Self::AuthenticatedRsa | Self::BareRsa => RSA_LENS,
        }
    }
}

/// What stands before the ciphertext.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) scheme: Scheme,
    /// The version in our count, for people: what unwraps is `version_id`.
    pub(crate) version: u32,
    pub(crate) version_id: [u8; VERSION_ID_LEN],
    pub(crate) salt: [u8; SALT_LEN],
}

impl Head {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let version = self.version.to_be_bytes();
        [&[self.scheme.byte()][..], &version, &self.version_id, &self.salt].concat()
    }
}

/// A parsed form.
pub(crate) struct WrappedForm<'a> {
    pub(crate) head: Head,
    pub(crate) ciphertext: &'a [u8],
    pub(crate) mac: Option<Mac<'a>>,
}

/// The authentication of a form.
pub(crate) struct Mac<'a> {
    pub(crate) key_id: EncryptionKeyId,
    /// The bytes of the form before the MAC.
    pub(crate) covered: &'a [u8],
    pub(crate) value: &'a [u8; MAC_LEN],
}

impl<'a> WrappedForm<'a> {
    /// # Errors
    /// `Malformed` when these bytes cannot be a form.
    pub(crate) fn parse(wrapped: &'a [u8]) -> Result<Self, KeyError> {
        let found = wrapped.len();
        let refused = || malformed(format!("{found} bytes are no wrapped DEK of Key Vault"));
        if found > MAX_WRAPPED_LEN {
            return Err(refused());
        }
        let (head, rest) = split_head(wrapped).ok_or_else(refused)?;
        let (ciphertext, mac) = match head.scheme {
            Scheme::Symmetric | Scheme::BareRsa => (rest, None),
            Scheme::AuthenticatedRsa => {
                let (ciphertext, mac) = split_mac(wrapped, rest).ok_or_else(refused)?;
                (ciphertext, Some(mac))
            }
        };
        if !head.scheme.ciphertext_lens().contains(&ciphertext.len()) {
            return Err(refused());
        }
        Ok(Self { head, ciphertext, mac })
    }
}

/// A form without its MAC; with the id of the key that will make it, if it gets one.
pub(crate) fn join(
    head: &Head,
    ciphertext: &[u8],
    mac_key: Option<&EncryptionKeyId>,
) -> Result<Vec<u8>, KeyError> {
    if !head.scheme.ciphertext_lens().contains(&ciphertext.len()) {
        let reason = format!("a ciphertext of {} bytes, as the vault answered", ciphertext.len());
        return Err(malformed(reason));
    }
    let mut form = head.bytes();
    form.extend_from_slice(ciphertext);
    if let Some(id) = mac_key {
        form.extend_from_slice(id.as_str().as_bytes());
        form.push(id.as_str().len() as u8); // a key id has at most 64 bytes
    }
    Ok(form)
}

fn split_head(wrapped: &[u8]) -> Option<(Head, &[u8])> {
    let (scheme, rest) = wrapped.split_first()?;
    let all = [Scheme::Symmetric, Scheme::AuthenticatedRsa, Scheme::BareRsa];
    let scheme = all.into_iter().find(|known| known.byte() == *scheme)?;
    let (version, rest) = rest.split_first_chunk()?;
    let (version_id, rest) = rest.split_first_chunk()?;
    let (salt, rest) = rest.split_first_chunk()?;
    let version = u32::from_be_bytes(*version);
    Some((Head { scheme, version, version_id: *version_id, salt: *salt }, rest))
}

fn split_mac<'a>(wrapped: &'a [u8], rest: &'a [u8]) -> Option<(&'a [u8], Mac<'a>)> {
    let (rest, value) = rest.split_last_chunk()?;
    let covered = wrapped.get(..wrapped.len() - MAC_LEN)?;
    let (len, rest) = rest.split_last()?;
    let (ciphertext, id) = rest.split_at_checked(rest.len().checked_sub((*len).into())?)?;
    let key_id = EncryptionKeyId::new(std::str::from_utf8(id).ok()?).ok()?;
    Some((ciphertext, Mac { key_id, covered, value }))
}

#[cfg(test)]
mod tests {
    use sealmq_crypto_core::KeyErrorKind;

    use super::*;

    fn head(scheme: Scheme) -> Head {
        Head { scheme, version: 7, version_id: [2; 16], salt: [3; 16] }
    }

    fn form(scheme: Scheme, ciphertext: usize) -> Vec<u8> {
        let id = EncryptionKeyId::new("mac-1").unwrap();
        let authenticated = scheme == Scheme::AuthenticatedRsa;
        let mut form =
            join(&head(scheme), &vec![4; ciphertext], authenticated.then_some(&id)).unwrap();
        if authenticated {
            form.extend([5; MAC_LEN]);
        }
        form
    }

    #[test]
    fn a_form_parses_to_what_it_was_made_of() {
        for (scheme, len) in
            [(Scheme::Symmetric, 80), (Scheme::AuthenticatedRsa, 256), (Scheme::BareRsa, 512)]
        {
            let bytes = form(scheme, len);
            let parsed = WrappedForm::parse(&bytes).unwrap();
            assert_eq!(parsed.head, head(scheme));
            assert_eq!(parsed.ciphertext, vec![4; len]);
            let Some(mac) = parsed.mac else {
                assert_ne!(scheme, Scheme::AuthenticatedRsa);
                continue;
            };
            assert_eq!(mac.key_id.as_str(), "mac-1");
            assert_eq!(mac.covered, &bytes[..bytes.len() - MAC_LEN]);
            assert_eq!(mac.value, &[5; MAC_LEN]);
        }
    }

    #[test]
    fn every_other_length_and_scheme_is_malformed() {
        for scheme in [Scheme::Symmetric, Scheme::AuthenticatedRsa, Scheme::BareRsa] {
            let whole = form(scheme, *scheme.ciphertext_lens().first().unwrap());
            for len in 0..whole.len() {
                let error = WrappedForm::parse(&whole[..len]).err().unwrap();
                assert_eq!(*error.kind(), KeyErrorKind::Malformed, "{scheme:?}, {len}");
            }
            assert!(WrappedForm::parse(&[&whole[..], &[0]].concat()).is_err());
            assert!(WrappedForm::parse(&[&whole[..], &vec![0; 1 << 20]].concat()).is_err());
            for byte in [0, 4, 255] {
                assert!(WrappedForm::parse(&[&[byte], &whole[1..]].concat()).is_err());
            }
        }
    }

    #[test]
    fn the_longest_form_is_the_declared_one() {
        let id = EncryptionKeyId::new(&"i".repeat(64)).unwrap();
        let form = join(&head(Scheme::AuthenticatedRsa), &[0; 512], Some(&id)).unwrap();
        assert_eq!(form.len() + MAC_LEN, MAX_WRAPPED_LEN);
        assert!(join(&head(Scheme::AuthenticatedRsa), &[0; 511], Some(&id)).is_err());
    }
}
