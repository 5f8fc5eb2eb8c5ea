//! The designs that QRE1 is not: controls on which the attacks of these tests succeed.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest, Sha256};

/// A stream cipher without a tag: key stream of SHA-256(key, counter).
pub(crate) fn unauthenticated(key: &[u8], body: &[u8]) -> Vec<u8> {
    let stream = (0u64..).flat_map(|counter| {
        let block = Sha256::new().chain_update(key).chain_update(counter.to_be_bytes());
        <[u8; 32]>::from(block.finalize())
    });
    body.iter().zip(stream).map(|(byte, key)| byte ^ key).collect()
}

/// AES-256-GCM as many queues use it: a shared key, associated data by convention.
pub(crate) fn gcm_seal(key: &[u8; 32], associated_data: &[u8], body: &[u8]) -> Vec<u8> {
    let mut sealed = body.to_vec();
    gcm(key)
        .seal_in_place_append_tag(zero_nonce(), Aad::from(associated_data), &mut sealed)
        .unwrap();
    sealed
}

pub(crate) fn gcm_open(key: &[u8; 32], associated_data: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let mut sealed = sealed.to_vec();
    let body = gcm(key).open_in_place(zero_nonce(), Aad::from(associated_data), &mut sealed);
    body.ok().map(|body| body.to_vec())
}

fn gcm(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap())
}

/// One message a key is all that the controls seal.
fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}
