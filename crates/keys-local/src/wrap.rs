//! The wrap of a DEK by a KEK, and its binary form.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sealmq_crypto_core::{EncryptionKey, KeyError, WrapContext, random_bytes};
use zeroize::Zeroizing;

use crate::error::{cipher_failed, context_mismatch, malformed};

/// Length of a wrapped DEK: `key_version u32 BE ‖ nonce 12 ‖ ciphertext 32 ‖ tag 16`.
pub(crate) const WRAPPED_LEN: usize = VERSION_LEN + NONCE_LEN + EncryptionKey::LEN + TAG_LEN;

const VERSION_LEN: usize = 4;
const TAG_LEN: usize = 16;

/// Tells this wrap from every other use of a key: a KEK over a DEK, by this crate, in this form.
const LEVEL: &[u8] = b"sealmq-keys-local/kek-wraps-dek/aes-256-gcm/v1";

/// One version of a tenant's KEK.
///
/// Nonces are random: a version stays far below the 2^32 wraps that allows, because a DEK serves
/// for up to an hour.
pub(crate) struct Kek {
    pub(crate) version: u32,
    pub(crate) key: Arc<EncryptionKey>,
}

/// A wrapped DEK of the right length.
pub(crate) struct WrappedForm<'a> {
    pub(crate) version: u32,
    nonce: [u8; NONCE_LEN],
    ciphertext_and_tag: &'a [u8],
}

impl<'a> WrappedForm<'a> {
    pub(crate) fn parse(wrapped: &'a [u8]) -> Result<Self, KeyError> {
        let wrong_length = || {
            let found = wrapped.len();
            malformed(format!("a wrapped DEK has {WRAPPED_LEN} bytes, not {found}"))
        };
        if wrapped.len() != WRAPPED_LEN {
            return Err(wrong_length());
        }
        let (version, rest) = wrapped.split_first_chunk().ok_or_else(wrong_length)?;
        let (nonce, ciphertext_and_tag) = rest.split_first_chunk().ok_or_else(wrong_length)?;
        let version = u32::from_be_bytes(*version);
        Ok(Self { version, nonce: *nonce, ciphertext_and_tag })
    }
}

impl Kek {
    pub(crate) fn wrap(
        &self,
        dek: &EncryptionKey,
        context: &WrapContext,
    ) -> Result<Vec<u8>, KeyError> {
        let nonce = random_bytes::<NONCE_LEN>()?;
        let mut in_out = Zeroizing::new(*dek.expose_secret());
        let tag = self
            .cipher()?
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                self.associated_data(context),
                in_out.as_mut_slice(),
            )
            .map_err(|_| cipher_failed("wrapping a DEK"))?;
        let version = self.version.to_be_bytes();
        Ok([&version[..], &nonce, in_out.as_slice(), tag.as_ref()].concat())
    }

    pub(crate) fn unwrap(
        &self,
        form: &WrappedForm<'_>,
        context: &WrapContext,
    ) -> Result<EncryptionKey, KeyError> {
        let mut in_out = Zeroizing::new([0; EncryptionKey::LEN + TAG_LEN]);
        in_out.copy_from_slice(form.ciphertext_and_tag);
        let nonce = Nonce::assume_unique_for_key(form.nonce);
        let dek = self
            .cipher()?
            .open_in_place(nonce, self.associated_data(context), in_out.as_mut_slice())
            .map_err(|_| context_mismatch(context.tenant(), form.version))?;
        EncryptionKey::from_slice(dek).map_err(|_| malformed("a DEK has 32 bytes"))
    }

    fn cipher(&self) -> Result<LessSafeKey, KeyError> {
        UnboundKey::new(&AES_256_GCM, self.key.expose_secret())
            .map(LessSafeKey::new)
            .map_err(|_| cipher_failed("preparing a KEK"))
    }

    /// `level ‖ version u32 BE ‖ context`: level and version have fixed lengths, so no two inputs
    /// give the same bytes.
    fn associated_data(&self, context: &WrapContext) -> Aad<Vec<u8>> {
        Aad::from([LEVEL, &self.version.to_be_bytes(), &context.associated_data()].concat())
    }
}
