//! Frames of suite 0x20: the body is sealed by a key service that takes associated data.

use std::fmt;

use subtle::ConstantTimeEq;

use crate::context::EncryptionContext;
use crate::encrypted_message::{EncryptedMessage, Nonce};
use crate::error::{CryptoError, CryptoErrorKind};
use crate::format::{
    Frame, FrameFields, KEY_REFERENCE_OFFSET, KeyReference, MAX_KEY_ID_LEN, NONCE_LEN, TAG_LEN,
    encode_named, fixed_of, write_header,
};
use crate::kdf::{COMMITMENT_LEN, context_hash};
use crate::keys::EncryptionKeyId;
use crate::random;
use crate::suite::Suite;

const VERSION_LEN: usize = 4;
/// What an AEAD of the service puts around a body: its own nonce and its tag.
const AEAD_OVERHEAD: usize = 12 + TAG_LEN;

/// The most bytes by which a remotely sealed frame is longer than its plaintext, where the service
/// adds a 12-byte nonce and a 16-byte tag.
pub const REMOTE_OVERHEAD_BYTES: usize =
    KEY_REFERENCE_OFFSET + 1 + MAX_KEY_ID_LEN + COMMITMENT_LEN + VERSION_LEN + AEAD_OVERHEAD;

/// A frame that waits for the service to seal its body.
///
/// ```text
/// header 42 ‖ key id ‖ context hash 32 ‖ key version u32 BE ‖ what the service made, its tag last
/// ```
///
/// The context hash covers the header and the context. It is what the service is to bind the body
/// to as associated data. It stands in the place of the commitment, so that a frame which was moved
/// or changed is refused before the service is called.
pub struct RemoteSeal {
    frame: Vec<u8>,
    encrypted_at_ms: u64,
    nonce: [u8; NONCE_LEN],
    associated_data: [u8; COMMITMENT_LEN],
}

impl RemoteSeal {
    /// Begins a frame with a nonce from the kernel.
    ///
    /// # Errors
    /// `KeyUnavailable` when the kernel gives no randomness.
    pub fn begin(
        key_id: &EncryptionKeyId,
        context: &EncryptionContext,
        encrypted_at_ms: u64,
    ) -> Result<Self, CryptoError> {
        let mut nonce = [0; NONCE_LEN];
        random::fill_from_kernel(&mut nonce)?;
        Ok(Self::with_nonce(key_id, context, encrypted_at_ms, &nonce))
    }

    /// Not public: a nonce must never come from a caller.
    fn with_nonce(
        key_id: &EncryptionKeyId,
        context: &EncryptionContext,
        encrypted_at_ms: u64,
        nonce: &[u8; NONCE_LEN],
    ) -> Self {
        let (mode, reference) = encode_named(key_id);
        let header_len = KEY_REFERENCE_OFFSET + reference.len() + COMMITMENT_LEN;
        let header_len = header_len as u16; // an id has at most 64 bytes
        let fields = FrameFields { suite: Suite::Remote, mode, encrypted_at_ms, nonce, header_len };
        let header = write_header(&fields);
        let associated_data = context_hash(&fixed_of(&header), context);
        let frame = [&header[..], &reference, &associated_data].concat();
        Self { frame, encrypted_at_ms, nonce: *nonce, associated_data }
    }

    /// What the service has to bind the body to.
    pub fn associated_data(&self) -> &[u8; 32] {
        &self.associated_data
    }

    /// The finished message, with what the service made of the body by this version of the key.
    pub fn finish(mut self, key_version: u32, ciphertext: &[u8]) -> EncryptedMessage {
        self.frame.extend_from_slice(&key_version.to_be_bytes());
        self.frame.extend_from_slice(ciphertext);
        EncryptedMessage::sealed(self.frame, Suite::Remote, self.encrypted_at_ms, &self.nonce)
    }
}

impl fmt::Debug for RemoteSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nonce = Nonce(self.nonce);
        f.debug_struct("RemoteSeal").field("nonce", &nonce).finish_non_exhaustive()
    }
}

/// A remotely sealed frame, taken apart and held against the receiver's own context.
#[derive(Debug)]
pub struct RemoteSealed<'a> {
    key_id: &'a str,
    key_version: u32,
    ciphertext: &'a [u8],
    commitment: [u8; COMMITMENT_LEN],
    associated_data: [u8; COMMITMENT_LEN],
}

impl<'a> RemoteSealed<'a> {
    /// Takes a frame apart.
    ///
    /// # Errors
    /// `Unsupported` for another suite; `Malformed` when the frame names no key by its id, or when
    /// its body is shorter than any that a service makes.
    pub fn parse(
        message: &'a EncryptedMessage,
        context: &EncryptionContext,
    ) -> Result<Self, CryptoError> {
        let frame = Frame::parse(message.as_bytes())?;
        if frame.suite() != Suite::Remote {
            let value = frame.suite().id();
            return Err(CryptoError::new(CryptoErrorKind::Unsupported { field: "suite", value }));
        }
        let &KeyReference::Named(key_id) = frame.key_reference() else {
            return Err(CryptoError::malformed("a remote suite names its key by an id"));
        };
        let sealed = frame.sealed();
        let (version, ciphertext) = sealed
            .split_first_chunk::<VERSION_LEN>()
            .filter(|(_, ciphertext)| ciphertext.len() >= AEAD_OVERHEAD)
            .ok_or_else(|| CryptoError::malformed("the remote ciphertext is too short"))?;
        let key_version = u32::from_be_bytes(*version);
        let commitment = frame.commitment();
        let associated_data = context_hash(&frame.fixed(), context);
        Ok(Self { key_id, key_version, ciphertext, commitment, associated_data })
    }

    /// The id of the key: to be looked up among the receiver's own before anything else.
    pub fn key_id(&self) -> &'a str {
        self.key_id
    }

    /// The version of the key that sealed.
    pub fn key_version(&self) -> u32 {
        self.key_version
    }

    /// What the service made of the body.
    pub fn ciphertext(&self) -> &'a [u8] {
        self.ciphertext
    }

    /// What the service has to open the body with.
    ///
    /// # Errors
    /// `AuthenticationFailed` when header or context are not those of the sealer: the service need
    /// not be asked.
    pub fn associated_data(&self) -> Result<&[u8; 32], CryptoError> {
        let same: bool = self.commitment.ct_eq(&self.associated_data).into();
        if same { Ok(&self.associated_data) } else { Err(CryptoError::authentication_failed()) }
    }
}

#[cfg(test)]
#[path = "tests/remote.rs"]
mod tests;
