//! A key made ready: sealing one body into a frame, opening one frame in place.

use std::sync::Arc;

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::aead::{AAD_LEN, AeadBackend};
use crate::context::EncryptionContext;
use crate::error::CryptoError;
use crate::format::{
    FIXED_LEN, Frame, FrameFields, KEY_REFERENCE_OFFSET, MAX_HEADER_LEN, NONCE_LEN, TAG_LEN,
    encode_named, encode_wrapped, fixed_of, write_header,
};
use crate::kdf::{COMMITMENT_LEN, KeyDerivation, MessageSecrets};
use crate::keys::{EncryptionKeyId, WrappedDek};
use crate::random;
use crate::secret::EncryptionKey;
use crate::suite::Suite;

/// A named key or DEK, ready for use: its HMAC states are computed, its reference is encoded.
///
/// Most users want [`AesGcmCryptoProvider`](crate::AesGcmCryptoProvider), which finds the key.
pub struct MessageKey {
    derivation: KeyDerivation,
    mode: u8,
    reference: Vec<u8>,
    header_len: u16,
    label: Arc<str>,
}

impl MessageKey {
    /// A named key: its frames carry the id.
    ///
    /// # Errors
    /// None in practice; an id is short by construction.
    pub fn named(id: &EncryptionKeyId, key: &EncryptionKey) -> Result<Self, CryptoError> {
        Self::new(key, encode_named(id), id.as_str())
    }

    /// A DEK: its frames carry it wrapped by one to four KEKs.
    ///
    /// # Errors
    /// `InvalidInput` when there are none or more than four wrapped forms, or when together they
    /// are longer than a header can be.
    pub fn wrapped(dek: &EncryptionKey, wrapped: &[WrappedDek]) -> Result<Self, CryptoError> {
        let reference = encode_wrapped(wrapped)?;
        Self::new(dek, reference, wrapped[0].kek_alias().as_str())
    }

    fn new(
        key: &EncryptionKey,
        (mode, reference): (u8, Vec<u8>),
        label: &str,
    ) -> Result<Self, CryptoError> {
        let header_len = KEY_REFERENCE_OFFSET + reference.len() + COMMITMENT_LEN;
        if header_len > MAX_HEADER_LEN {
            return Err(CryptoError::invalid_input("keks", "wrapped DEKs exceed the header"));
        }
        let derivation = KeyDerivation::new(key);
        Ok(Self { derivation, mode, reference, header_len: header_len as u16, label: label.into() })
    }

    /// The key id, or the alias of the first KEK.
    pub fn label(&self) -> &str {
        &self.label
    }

    pub(crate) fn shared_label(&self) -> Arc<str> {
        Arc::clone(&self.label)
    }

    /// Seals one body with a nonce from the kernel. One allocation: the frame.
    ///
    /// # Errors
    /// `KeyUnavailable` when the kernel gives no randomness; there is no frame then.
    pub fn seal(
        &self,
        suite: Suite,
        backend: AeadBackend,
        plaintext: &[u8],
        context: &EncryptionContext,
        encrypted_at_ms: u64,
    ) -> Result<Vec<u8>, CryptoError> {
        let mut nonce = [0; NONCE_LEN];
        random::fill_from_kernel(&mut nonce)?;
        self.seal_with_nonce(suite, backend, plaintext, context, encrypted_at_ms, &nonce)
    }

    /// Seals one body. Not public: a nonce must never come from a caller.
    pub(crate) fn seal_with_nonce(
        &self,
        suite: Suite,
        backend: AeadBackend,
        plaintext: &[u8],
        context: &EncryptionContext,
        encrypted_at_ms: u64,
        nonce: &[u8; NONCE_LEN],
    ) -> Result<Vec<u8>, CryptoError> {
        let (suite, header_len) = (suite.in_process()?, self.header_len);
        let fields = FrameFields { suite, mode: self.mode, encrypted_at_ms, nonce, header_len };
        let header = write_header(&fields);
        let fixed = fixed_of(&header);
        let secrets = self.derivation.derive(&fixed, context);

        let body_at = usize::from(header_len);
        let mut frame = Vec::with_capacity(body_at + plaintext.len() + TAG_LEN);
        frame.extend_from_slice(&header);
        frame.extend_from_slice(&self.reference);
        frame.extend_from_slice(secrets.commitment());
        frame.extend_from_slice(plaintext);
        let aad = associated_data(&fixed, &secrets);
        let tag = backend.seal(suite, secrets.aead_key(), &aad, &mut frame[body_at..])?;
        frame.extend_from_slice(&tag);
        Ok(frame)
    }

    /// Opens a frame in place, without an allocation, and returns its plaintext.
    ///
    /// The commitment to key and context is compared in constant time before the AEAD runs.
    /// Freshness and replay are the caller's to check, on the now authenticated header.
    ///
    /// # Errors
    /// `Malformed` and `Unsupported` from parsing; `AuthenticationFailed` without detail for
    /// everything else, with the body of the frame zeroized.
    pub fn open_in_place<'a>(
        &self,
        backend: AeadBackend,
        frame: &'a mut [u8],
        context: &EncryptionContext,
    ) -> Result<&'a mut [u8], CryptoError> {
        let parsed = Frame::parse(frame)?;
        let header = AuthenticatedHeader::of(&parsed);
        let body_at = parsed.header_len();
        self.open_sealed(backend, &header, &mut frame[body_at..], context)
    }

    /// Opens ciphertext and tag in place.
    pub(crate) fn open_sealed<'a>(
        &self,
        backend: AeadBackend,
        header: &AuthenticatedHeader,
        sealed: &'a mut [u8],
        context: &EncryptionContext,
    ) -> Result<&'a mut [u8], CryptoError> {
        let suite = header.suite.in_process()?;
        let secrets = self.derivation.derive(&header.fixed, context);
        let committed: bool = secrets.commitment().ct_eq(&header.commitment).into();
        let aad = associated_data(&header.fixed, &secrets);
        if !committed || backend.open(suite, secrets.aead_key(), &aad, sealed).is_err() {
            sealed.zeroize();
            return Err(CryptoError::authentication_failed());
        }
        let plaintext_len = sealed.len() - TAG_LEN;
        Ok(&mut sealed[..plaintext_len])
    }

    /// What a key and context derive, for tests that build frames no sealer would.
    #[cfg(test)]
    pub(crate) fn derive(
        &self,
        fixed: &[u8; FIXED_LEN],
        context: &EncryptionContext,
    ) -> MessageSecrets {
        self.derivation.derive(fixed, context)
    }
}

/// What a frame's key and tag are held against.
pub(crate) struct AuthenticatedHeader {
    suite: Suite,
    fixed: [u8; FIXED_LEN],
    commitment: [u8; COMMITMENT_LEN],
}

impl AuthenticatedHeader {
    pub(crate) fn of(frame: &Frame<'_>) -> Self {
        Self { suite: frame.suite(), fixed: frame.fixed(), commitment: frame.commitment() }
    }
}

impl std::fmt::Debug for MessageKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageKey").field("label", &self.label).finish_non_exhaustive()
    }
}

fn associated_data(fixed: &[u8; FIXED_LEN], secrets: &MessageSecrets) -> [u8; AAD_LEN] {
    let mut aad = [0; AAD_LEN];
    aad[..FIXED_LEN].copy_from_slice(fixed);
    aad[FIXED_LEN..].copy_from_slice(secrets.commitment());
    aad
}
