//! The ciphers alone, with their key set up once: what sealing costs when nothing is bound to it.
//!
//! Like ours, sealing here makes a new message from a plaintext that stays as it is; only the
//! in-place form does without the copy, and shows what that copy costs.

use std::cell::Cell;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce as GcmNonce};
use aws_lc_rs::aead as aws;
use ring::aead as ring_aead;

use crate::work::{OpeningInPlace, Sealing, Work};

/// Length of a nonce in bytes.
pub const NONCE_LEN: usize = 12;
/// Length of a tag in bytes.
pub const TAG_LEN: usize = 16;

const KEY: [u8; 32] = [7; 32];
const OPENING_NONCE: [u8; NONCE_LEN] = [9; NONCE_LEN];

/// Nonces that count: unique, and next to free.
#[derive(Default)]
struct Counter(Cell<u64>);

impl Counter {
    fn next(&self) -> [u8; NONCE_LEN] {
        let count = self.0.get();
        self.0.set(count + 1);
        let mut nonce = [0; NONCE_LEN];
        nonce[..8].copy_from_slice(&count.to_le_bytes());
        nonce
    }
}

/// `head`, a copy of `body`, and room for a tag.
fn message(head: &[u8], body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(head.len() + body.len() + TAG_LEN);
    message.extend_from_slice(head);
    message.extend_from_slice(body);
    message
}

fn aws_key() -> aws::LessSafeKey {
    let key = aws::UnboundKey::new(&aws::AES_256_GCM, &KEY);
    aws::LessSafeKey::new(key.unwrap_or_else(|_| unreachable!("the key has its 32 bytes")))
}

fn aws_seal(key: &aws::LessSafeKey, nonce: [u8; NONCE_LEN], in_out: &mut [u8]) -> aws::Tag {
    let nonce = aws::Nonce::assume_unique_for_key(nonce);
    let tag = key.seal_in_place_separate_tag(nonce, aws::Aad::empty(), in_out);
    tag.unwrap_or_else(|_| unreachable!("the body is within the cipher's limit"))
}

/// aws-lc-rs, nonces counted.
pub fn aws_lc_rs_seal(body: Vec<u8>) -> Box<dyn Work> {
    let (key, nonces) = (aws_key(), Counter::default());
    Box::new(Sealing(move || {
        let mut message = message(&[], &body);
        let tag = aws_seal(&key, nonces.next(), &mut message);
        message.extend_from_slice(tag.as_ref());
        message
    }))
}

/// aws-lc-rs, each nonce drawn from the kernel and put before the ciphertext: what a careful
/// program without this library would do.
pub fn aws_lc_rs_kernel_nonce_seal(body: Vec<u8>) -> Box<dyn Work> {
    let key = aws_key();
    Box::new(Sealing(move || {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).unwrap_or_else(|_| unreachable!("the kernel has randomness"));
        let mut message = message(&nonce, &body);
        let tag = aws_seal(&key, nonce, &mut message[NONCE_LEN..]);
        message.extend_from_slice(tag.as_ref());
        message
    }))
}

/// aws-lc-rs, nonces counted, the body encrypted where it lies.
pub fn aws_lc_rs_in_place_seal(body: Vec<u8>) -> Box<dyn Work> {
    let (key, nonces, mut in_out) = (aws_key(), Counter::default(), body);
    Box::new(Sealing(move || aws_seal(&key, nonces.next(), &mut in_out)))
}

/// aws-lc-rs, opening in place.
pub fn aws_lc_rs_open(body: &[u8]) -> Box<dyn Work> {
    let key = aws_key();
    let mut sealed = message(&[], body);
    let tag = aws_seal(&key, OPENING_NONCE, &mut sealed);
    sealed.extend_from_slice(tag.as_ref());
    Box::new(OpeningInPlace::new(sealed, move |in_out: &mut [u8]| {
        let nonce = aws::Nonce::assume_unique_for_key(OPENING_NONCE);
        assert!(key.open_in_place(nonce, aws::Aad::empty(), in_out).is_ok());
    }))
}

fn ring_key() -> ring_aead::LessSafeKey {
    let key = ring_aead::UnboundKey::new(&ring_aead::AES_256_GCM, &KEY);
    ring_aead::LessSafeKey::new(key.unwrap_or_else(|_| unreachable!("the key has its 32 bytes")))
}

fn ring_seal_in_place(
    key: &ring_aead::LessSafeKey,
    nonce: [u8; NONCE_LEN],
    in_out: &mut [u8],
) -> ring_aead::Tag {
    let nonce = ring_aead::Nonce::assume_unique_for_key(nonce);
    let tag = key.seal_in_place_separate_tag(nonce, ring_aead::Aad::empty(), in_out);
    tag.unwrap_or_else(|_| unreachable!("the body is within the cipher's limit"))
}

/// ring, nonces counted.
pub fn ring_seal(body: Vec<u8>) -> Box<dyn Work> {
    let (key, nonces) = (ring_key(), Counter::default());
    Box::new(Sealing(move || {
        let mut message = message(&[], &body);
        let tag = ring_seal_in_place(&key, nonces.next(), &mut message);
        message.extend_from_slice(tag.as_ref());
        message
    }))
}

/// ring, opening in place.
pub fn ring_open(body: &[u8]) -> Box<dyn Work> {
    let key = ring_key();
    let mut sealed = message(&[], body);
    let tag = ring_seal_in_place(&key, OPENING_NONCE, &mut sealed);
    sealed.extend_from_slice(tag.as_ref());
    Box::new(OpeningInPlace::new(sealed, move |in_out: &mut [u8]| {
        let nonce = ring_aead::Nonce::assume_unique_for_key(OPENING_NONCE);
        assert!(key.open_in_place(nonce, ring_aead::Aad::empty(), in_out).is_ok());
    }))
}

/// `aes-gcm`, nonces counted.
pub fn aes_gcm_seal(body: Vec<u8>) -> Box<dyn Work> {
    let (cipher, nonces) = (Aes256Gcm::new(&KEY.into()), Counter::default());
    Box::new(Sealing(move || {
        let mut message = message(&[], &body);
        let nonce = GcmNonce::from(nonces.next());
        let tag = cipher.encrypt_inout_detached(&nonce, &[], message.as_mut_slice().into());
        message.extend_from_slice(&tag.unwrap_or_else(|_| unreachable!("within the limit")));
        message
    }))
}

/// `aes-gcm`, opening in place.
pub fn aes_gcm_open(body: &[u8]) -> Box<dyn Work> {
    let cipher = Aes256Gcm::new(&KEY.into());
    let nonce = GcmNonce::from(OPENING_NONCE);
    let mut sealed = message(&[], body);
    let tag = cipher.encrypt_inout_detached(&nonce, &[], sealed.as_mut_slice().into());
    sealed.extend_from_slice(&tag.unwrap_or_else(|_| unreachable!("within the limit")));
    Box::new(OpeningInPlace::new(sealed, move |in_out: &mut [u8]| {
        let (body, tag) = in_out.split_at_mut(in_out.len() - TAG_LEN);
        let tag = (&*tag).try_into().unwrap_or_else(|_| unreachable!("the tag has its length"));
        assert!(cipher.decrypt_inout_detached(&nonce, &[], body.into(), tag).is_ok());
    }))
}
