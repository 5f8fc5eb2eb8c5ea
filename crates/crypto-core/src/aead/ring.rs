//! The AEADs of `ring`.

use ::ring::aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use super::{AEAD_NONCE_LEN, OpenError};
use crate::error::CryptoError;
use crate::format::TAG_LEN;
use crate::suite::Suite;

fn key(suite: Suite, key: &[u8]) -> Result<LessSafeKey, ::ring::error::Unspecified> {
    let algorithm = match suite {
        Suite::Aes256Gcm => &AES_256_GCM,
        Suite::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        Suite::Remote => return Err(::ring::error::Unspecified), // refused before it comes here
    };
    UnboundKey::new(algorithm, key).map(LessSafeKey::new)
}

pub(super) fn seal(
    suite: Suite,
    key_bytes: &[u8],
    nonce: &[u8; AEAD_NONCE_LEN],
    aad: &[u8],
    in_out: &mut [u8],
) -> Result<[u8; TAG_LEN], CryptoError> {
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let sealed = key(suite, key_bytes)
        .and_then(|key| key.seal_in_place_separate_tag(nonce, Aad::from(aad), in_out));
    // Fails only for a body beyond the cipher's own limit of 2^36 bytes.
    let tag = sealed.map_err(|_| CryptoError::invalid_input("body", "too large for the cipher"))?;
    let mut bytes = [0; TAG_LEN];
    bytes.copy_from_slice(tag.as_ref());
    Ok(bytes)
}

pub(super) fn open(
    suite: Suite,
    key_bytes: &[u8],
    nonce: &[u8; AEAD_NONCE_LEN],
    aad: &[u8],
    in_out: &mut [u8],
) -> Result<(), OpenError> {
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let key = key(suite, key_bytes).map_err(|_| OpenError)?;
    key.open_in_place(nonce, Aad::from(aad), in_out).map(|_| ()).map_err(|_| OpenError)
}
