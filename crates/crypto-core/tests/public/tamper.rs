//! Flipping any bit of a frame, or of its context, makes it refused.

use std::collections::BTreeMap;
use std::ops::Range;

use sealmq_crypto_core::format::{Frame, KEY_REFERENCE_OFFSET};
use sealmq_crypto_core::{
    AeadBackend, CryptoConfig, CryptoError, CryptoProvider, EncryptedMessage, EncryptionContext,
    Suite,
};

use crate::naive;
use crate::support::{
    FakeKms, assert_unauthentic, clock, context, keyring, keyring_provider, named_key,
    named_provider, opened, policy, scope_of, sealed,
};

const SIZES: [usize; 4] = [0, 1, 33, 1_024];

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut flipped = bytes.to_vec();
    flipped[bit / 8] ^= 1 << (bit % 8);
    flipped
}

#[test]
fn a_flipped_bit_goes_unnoticed_where_nothing_is_authenticated() {
    let (key, body) = ([7; 32], b"pay 10 EUR");
    let sealed = naive::unauthenticated(&key, body);
    let opened = naive::unauthenticated(&key, &flipped(&sealed, 4 * 8 + 3));
    assert_eq!(opened, b"pay 90 EUR");
}

/// Opens as a receiver does: from bytes that arrived to a plaintext or an error.
async fn receive(provider: &impl CryptoProvider, bytes: Vec<u8>) -> Result<(), CryptoError> {
    let message = EncryptedMessage::parse(bytes)?;
    provider.decrypt(message, &context()).await.map(|_| ())
}

/// Flips each bit; gives how often each class of error was seen, having checked that the class
/// fits the place.
async fn flip_every_bit(
    provider: &impl CryptoProvider,
    body: &[u8],
) -> BTreeMap<&'static str, usize> {
    let frame = provider.encrypt(body, &context()).await.unwrap().into_bytes();
    receive(provider, frame.to_vec()).await.expect("unchanged, it opens");
    let reference = reference_of(&frame);
    let mut classes = BTreeMap::new();
    for bit in 0..frame.len() * 8 {
        let error = receive(provider, flipped(&frame, bit)).await.expect_err("opened");
        let expected = classes_at(bit / 8, &reference);
        assert!(expected.contains(&error.code()), "byte {}: {error}", bit / 8);
        *classes.entry(error.code()).or_default() += 1;
    }
    classes
}

fn reference_of(frame: &[u8]) -> Range<usize> {
    let header_len = Frame::parse(frame).unwrap().header_len();
    KEY_REFERENCE_OFFSET..header_len - 32
}

fn classes_at(offset: usize, reference: &Range<usize>) -> &'static [&'static str] {
    match offset {
        4 => &["unsupported_version"],
        5 => &["unsupported_suite"],
        0..=9 => &["malformed"],
        _ if !reference.contains(&offset) => &["authentication_failed"],
        _ => &["malformed", "key_not_found", "authentication_failed"],
    }
}

#[tokio::test]
async fn flipping_any_bit_of_a_frame_with_a_named_key_makes_it_refused() {
    for &backend in AeadBackend::AVAILABLE {
        for suite in Suite::ALL {
            let config = CryptoConfig::default().with_suite(suite).with_aead_backend(backend);
            let provider = named_provider(&config);
            for size in SIZES {
                let classes = flip_every_bit(&provider, &vec![0x5a; size]).await;
                // Header, key id of 12 bytes with its length, commitment, body, tag.
                let bits = (42 + 13 + 32 + size + 16) * 8;
                assert_eq!(classes.values().sum::<usize>(), bits);
                assert_eq!((classes["unsupported_version"], classes["unsupported_suite"]), (8, 8));
                assert_eq!(classes["authentication_failed"], (8 + 24 + 32 + size + 16) * 8);
            }
        }
    }
}

#[tokio::test]
async fn flipping_any_bit_of_a_frame_with_a_wrapped_dek_makes_it_refused() {
    let (kms, clock) = (FakeKms::new("kms"), clock());
    for suite in Suite::ALL {
        let keyring = keyring(&kms, policy(), &clock);
        let provider = keyring_provider(keyring, &clock, suite);
        for size in SIZES {
            let classes = flip_every_bit(&provider, &vec![0x5a; size]).await;
            assert!(classes["key_not_found"] > 0, "bits of the alias");
        }
    }
}

/// The context of the flips, one value a field.
const FIELDS: [&str; 11] = [
    "prod", "tenant-a", "orders", "created", "text/x", "msg-1", "cust-42", "corr-1", "replies",
    "region", "eu-1",
];

fn context_of(f: &[String; 11]) -> Result<EncryptionContext, CryptoError> {
    EncryptionContext::builder(&scope_of(Some(&f[0]), Some(&f[1]), &f[2]), &f[5])
        .message_type(Some(&f[3]))
        .content_type(Some(&f[4]))
        .session_id(Some(&f[6]))
        .correlation_id(Some(&f[7]))
        .reply_to(Some(&f[8]))
        .attribute(&f[9], &f[10])
        .build()
}

#[test]
fn flipping_any_bit_of_any_context_field_makes_the_frame_refused() {
    let fields = FIELDS.map(String::from);
    let (key, context) = (named_key(), context_of(&fields).unwrap());
    let frame = sealed(&key, Suite::default(), b"body", &context);
    opened(&key, &frame, &context).expect("unchanged, it opens");
    let mut judged = 0;
    for (place, value) in FIELDS.iter().enumerate() {
        for bit in 0..value.len() * 8 {
            // The eighth bit of an ASCII letter would not be UTF-8, which no `&str` can hold.
            let Ok(value) = String::from_utf8(flipped(value.as_bytes(), bit)) else {
                continue;
            };
            let mut edited = fields.clone();
            edited[place].clone_from(&value);
            // An attribute's name may have become one that the builder refuses.
            if let Ok(context) = context_of(&edited) {
                assert_unauthentic(opened(&key, &frame, &context), &value);
            }
            judged += 1;
        }
    }
    assert_eq!(judged, FIELDS.concat().len() * 7);
}
