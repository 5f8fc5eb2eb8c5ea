//! The AEADs of RustCrypto: `aes-gcm` and `chacha20poly1305`.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut, Error, KeyInit};
use chacha20poly1305::ChaCha20Poly1305;

use super::{AEAD_NONCE_LEN, OpenError};
use crate::error::CryptoError;
use crate::format::TAG_LEN;
use crate::suite::Suite;

pub(super) fn seal(
    suite: Suite,
    key: &[u8],
    nonce: &[u8; AEAD_NONCE_LEN],
    aad: &[u8],
    in_out: &mut [u8],
) -> Result<[u8; TAG_LEN], CryptoError> {
    let sealed = match suite {
        Suite::Aes256Gcm => seal_with::<Aes256Gcm>(key, nonce, aad, in_out),
        Suite::ChaCha20Poly1305 => seal_with::<ChaCha20Poly1305>(key, nonce, aad, in_out),
        Suite::Remote => Err(Error), // refused before it comes here
    };
    // Fails only for a body beyond the cipher's own limit of 2^36 bytes.
    sealed.map_err(|_| CryptoError::invalid_input("body", "too large for the cipher"))
}

pub(super) fn open(
    suite: Suite,
    key: &[u8],
    nonce: &[u8; AEAD_NONCE_LEN],
    aad: &[u8],
    in_out: &mut [u8],
) -> Result<(), OpenError> {
    let opened = match suite {
        Suite::Aes256Gcm => open_with::<Aes256Gcm>(key, nonce, aad, in_out),
        Suite::ChaCha20Poly1305 => open_with::<ChaCha20Poly1305>(key, nonce, aad, in_out),
        Suite::Remote => Err(Error), // refused before it comes here
    };
    opened.map_err(|_| OpenError)
}

fn seal_with<A: AeadInOut + KeyInit>(
    key: &[u8],
    nonce: &[u8; AEAD_NONCE_LEN],
    aad: &[u8],
    in_out: &mut [u8],
) -> Result<[u8; TAG_LEN], Error> {
    let cipher = A::new_from_slice(key).map_err(|_| Error)?;
    let nonce = nonce.as_slice().try_into().map_err(|_| Error)?;
    let tag = cipher.encrypt_inout_detached(nonce, aad, in_out.into())?;
    let mut bytes = [0; TAG_LEN];
    bytes.copy_from_slice(&tag);
    Ok(bytes)
}

fn open_with<A: AeadInOut + KeyInit>(
    key: &[u8],
    nonce: &[u8; AEAD_NONCE_LEN],
    aad: &[u8],
    in_out: &mut [u8],
) -> Result<(), Error> {
    let cipher = A::new_from_slice(key).map_err(|_| Error)?;
    let nonce = nonce.as_slice().try_into().map_err(|_| Error)?;
    let tag_at = in_out.len().checked_sub(TAG_LEN).ok_or(Error)?;
    let (ciphertext, tag) = in_out.split_at_mut(tag_at);
    let tag = (&*tag).try_into().map_err(|_| Error)?;
    cipher.decrypt_inout_detached(nonce, aad, ciphertext.into(), tag)
}
