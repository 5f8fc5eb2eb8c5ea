//! The frame of the remote suite: one golden frame, and what is refused.

use std::sync::Arc;

use super::*;
use crate::context::ContextScope;
use crate::message_key::MessageKey;
use crate::secret::EncryptionKey;
use crate::{AeadBackend, AesGcmCryptoProvider, CryptoConfig, ErrorKindCode};

const KEY_VERSION: u32 = 3;
const CIPHERTEXT: [u8; 29] = [0xc7; 29];

/// Computed by hand with Python's hashlib: header, key id, SHA-256 over
/// "QRE1/context" ‖ header without header_len ‖ context, key version, ciphertext.
const GOLDEN: &str = include_str!("remote_frame.hex");

fn context(queue: &str) -> EncryptionContext {
    let scope = Arc::new(ContextScope::new(Some("prod"), Some("acme"), queue).unwrap());
    EncryptionContext::builder(&scope, "m-1").message_type(Some("order")).build().unwrap()
}

fn golden() -> EncryptedMessage {
    let key_id = EncryptionKeyId::new("orders-transit").unwrap();
    RemoteSeal::with_nonce(&key_id, &context("orders"), 1_700_000_000_000, &[0xa5; NONCE_LEN])
        .finish(KEY_VERSION, &CIPHERTEXT)
}

fn edited(edit: impl Fn(&mut Vec<u8>)) -> Result<EncryptedMessage, CryptoError> {
    let mut frame = golden().into_bytes().to_vec();
    edit(&mut frame);
    EncryptedMessage::parse(frame)
}

fn code_of<T>(result: Result<T, CryptoError>) -> &'static str {
    result.err().map_or("fine", |error| error.kind().code())
}

#[test]
fn the_golden_frame_is_made_and_taken_apart() {
    let frame = golden();
    assert_eq!(hex::encode(frame.as_bytes()), GOLDEN.trim());
    assert_eq!(EncryptedMessage::parse(frame.as_bytes().clone()).unwrap(), frame);
    let context = context("orders");
    let parsed = RemoteSealed::parse(&frame, &context).unwrap();
    assert_eq!((parsed.key_id(), parsed.key_version()), ("orders-transit", KEY_VERSION));
    assert_eq!(parsed.ciphertext(), CIPHERTEXT);
    assert_eq!(parsed.associated_data().unwrap()[..], frame.as_bytes()[57..89]);
    assert!(frame.as_bytes().len() - 1 <= REMOTE_OVERHEAD_BYTES);
}

#[test]
fn two_frames_of_one_message_differ_in_nonce_and_associated_data() {
    let key_id = EncryptionKeyId::new("orders-transit").unwrap();
    let begin = || RemoteSeal::begin(&key_id, &context("orders"), 0).unwrap();
    let (one, other) = (begin(), begin());
    assert_ne!(one.nonce, other.nonce);
    assert_ne!(one.associated_data(), other.associated_data());
}

#[test]
fn another_context_or_header_is_refused_before_a_service_is_asked() {
    let frame = golden();
    let elsewhere = context("invoices");
    let parsed = RemoteSealed::parse(&frame, &elsewhere).unwrap();
    assert_eq!(code_of(parsed.associated_data()), "authentication_failed");
    // encrypted_at, nonce, the context hash itself
    for at in [10, 17, 18, 41, 57, 88] {
        let frame = edited(|frame| frame[at] ^= 1).unwrap();
        let context = context("orders");
        let parsed = RemoteSealed::parse(&frame, &context).unwrap();
        assert_eq!(code_of(parsed.associated_data()), "authentication_failed", "{at}");
    }
}

#[test]
fn other_forms_are_malformed_and_other_suites_unsupported() {
    let context = context("orders");
    let short = edited(|frame| frame.truncate(89 + VERSION_LEN + AEAD_OVERHEAD - 1)).unwrap();
    assert_eq!(code_of(RemoteSealed::parse(&short, &context)), "malformed");
    let other = edited(|frame| frame[5] = 1).unwrap();
    assert_eq!(code_of(RemoteSealed::parse(&other, &context)), "unsupported_suite");
    let shortest = edited(|frame| frame.truncate(89 + VERSION_LEN + AEAD_OVERHEAD)).unwrap();
    assert_eq!(code_of(RemoteSealed::parse(&shortest, &context)), "fine");
}

#[test]
fn no_key_in_this_process_seals_or_opens_the_remote_suite() {
    let (id, key) = (EncryptionKeyId::new("k").unwrap(), EncryptionKey::generate().unwrap());
    let key = MessageKey::named(&id, &key).unwrap();
    let context = context("orders");
    let backend = AeadBackend::default();
    let sealed = key.seal(Suite::Remote, backend, b"body", &context, 0);
    assert_eq!(code_of(sealed), "unsupported_suite");
    let mut frame = golden().into_bytes().to_vec();
    let opened = key.open_in_place(backend, &mut frame, &context);
    assert_eq!(code_of(opened.map(drop)), "unsupported_suite");
    let config = CryptoConfig::strict().with_suite(Suite::Remote);
    let built = AesGcmCryptoProvider::builder().config(&config).build();
    assert_eq!(code_of(built.map(drop)), "unsupported_suite");
}
