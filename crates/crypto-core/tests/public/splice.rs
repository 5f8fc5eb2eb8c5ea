//! Cutting, extending and recombining frames makes them refused.

use std::ops::Range;

use sealmq_crypto_core::format::{Frame, KeyReference};
use sealmq_crypto_core::{MessageKey, Suite};

use crate::naive;
use crate::support::{
    assert_malformed, assert_unauthentic, context, key, key_id, named_key, opened, sealed,
    wrapped_key,
};

const BODY: &[u8; 33] = b"pay 10 EUR to the honest merchant";

fn keys() -> [MessageKey; 2] {
    [named_key(), wrapped_key()]
}

#[test]
fn a_cut_message_passes_where_nothing_is_authenticated() {
    let sealed = naive::unauthenticated(&[7; 32], b"do not pay");
    assert_eq!(naive::unauthenticated(&[7; 32], &sealed[..6]), b"do not");
}

#[test]
fn a_frame_cut_at_any_length_is_refused() {
    for (key, suite) in keys().iter().zip(Suite::ALL) {
        let frame = sealed(key, suite, BODY, &context());
        let least = Frame::parse(&frame).unwrap().header_len() + 16;
        for len in 0..frame.len() {
            let result = opened(key, &frame[..len], &context());
            match len < least {
                true => assert_malformed(result, &len.to_string()),
                false => assert_unauthentic(result, &len.to_string()),
            }
        }
        opened(key, &frame, &context()).expect("whole, it opens");
    }
}

#[test]
fn a_frame_with_1_to_32_bytes_appended_is_refused() {
    for (key, suite) in keys().iter().zip(Suite::ALL) {
        let frame = sealed(key, suite, BODY, &context());
        let tails = [vec![0; 32], vec![0xff; 32], frame[frame.len() - 32..].to_vec()];
        for tail in &tails {
            for len in 1..=tail.len() {
                let longer = [&frame[..], &tail[..len]].concat();
                assert_unauthentic(opened(key, &longer, &context()), &len.to_string());
            }
        }
    }
}

/// Two good frames of one key, context and length, and where their parts lie.
struct Pair {
    one: Vec<u8>,
    two: Vec<u8>,
    header_len: usize,
}

impl Pair {
    fn new(key: &MessageKey, suite: Suite) -> Self {
        let seal = |body: &[u8; 33], at_ms| {
            let backend = sealmq_crypto_core::AeadBackend::default();
            key.seal(suite, backend, body, &context(), at_ms).unwrap()
        };
        let (one, two) = (seal(BODY, 1_000), seal(b"pay 99 EUR to the crooked trader!", 2_000));
        let header_len = Frame::parse(&one).unwrap().header_len();
        Self { one, two, header_len }
    }

    /// The first frame with a part of the second.
    fn spliced(&self, part: Range<usize>) -> Vec<u8> {
        let mut spliced = self.one.clone();
        spliced[part.clone()].copy_from_slice(&self.two[part]);
        spliced
    }
}

#[test]
fn parts_of_two_messages_make_a_third_where_they_are_not_bound_to_each_other() {
    // The control: encrypt-then-MAC of the body alone, with the time beside it.
    let tagged = |body: &[u8], at: u64| (at, naive::gcm_seal(&[7; 32], b"", body));
    let (old, new) = (tagged(b"launch", 1_000), tagged(b"abort", 2_000));
    let renewed = (new.0, old.1);
    assert_eq!(naive::gcm_open(&[7; 32], b"", &renewed.1).unwrap(), b"launch");
}

#[test]
fn parts_of_two_messages_never_make_a_third() {
    for (key, suite) in keys().iter().zip(Suite::ALL) {
        let pair = Pair::new(key, suite);
        let (body_at, end) = (pair.header_len, pair.one.len());
        let parts = [
            ("encrypted_at", 10..18),
            ("nonce", 18..42),
            ("encrypted_at and nonce", 10..42),
            ("commitment", body_at - 32..body_at),
            ("nonce and commitment", 18..body_at),
            ("header", 0..body_at),
            ("ciphertext", body_at..end - 16),
            ("tag", end - 16..end),
            ("ciphertext and tag", body_at..end),
            ("all but the header's fixed part", 42..end),
        ];
        for (name, part) in parts {
            assert_ne!(pair.one[part.clone()], pair.two[part.clone()], "{name} differ");
            assert_unauthentic(opened(key, &pair.spliced(part), &context()), name);
        }
        assert_eq!(opened(key, &pair.spliced(0..end), &context()).unwrap()[..6], *b"pay 99");
    }
}

#[test]
fn a_frame_of_one_key_does_not_open_under_another_of_the_same_name() {
    let frame = sealed(&named_key(), Suite::default(), BODY, &context());
    let other = MessageKey::named(&key_id("orders-2026a"), &key(8)).unwrap();
    assert_unauthentic(opened(&other, &frame, &context()), "another key of that id");
}

#[test]
fn an_edited_count_of_wrapped_deks_is_malformed() {
    let key = wrapped_key();
    let frame = sealed(&key, Suite::default(), BODY, &context());
    assert_eq!(frame[42], 2);
    for count in (0..=u8::MAX).filter(|count| *count != 2) {
        let mut edited = frame.clone();
        edited[42] = count;
        assert_malformed(opened(&key, &edited, &context()), &count.to_string());
    }
}

/// The frame with another key reference, and a header length that fits it.
fn with_reference(frame: &[u8], reference: &[u8]) -> Vec<u8> {
    let header_len = Frame::parse(frame).unwrap().header_len();
    let fitting = (42 + reference.len() + 32) as u16;
    let mut edited = [&frame[..42], reference, &frame[header_len - 32..]].concat();
    edited[8..10].copy_from_slice(&fitting.to_be_bytes());
    edited
}

fn entry(alias: &str, wrapped: &[u8]) -> Vec<u8> {
    let len = (wrapped.len() as u16).to_be_bytes();
    [&[alias.len() as u8], alias.as_bytes(), &len, wrapped].concat()
}

#[test]
fn a_wrapped_dek_that_stands_twice_is_malformed() {
    let key = wrapped_key();
    let frame = sealed(&key, Suite::default(), BODY, &context());
    let one = entry("kek-primary", &[0xab; 60]);
    let twice = with_reference(&frame, &[&[2][..], &one, &one].concat());
    assert_malformed(opened(&key, &twice, &context()), "one entry twice");
    let once = with_reference(&frame, &[&[1][..], &one].concat());
    opened(&key, &once, &context()).expect("the control: it stands once");
}

/// The reference only says where to look for the key: the commitment binds the key itself. So a
/// DEK can be wrapped anew, by other KEKs and in another order, without touching the body.
#[test]
fn a_rewrapped_dek_opens_the_same_ciphertext() {
    let key = wrapped_key();
    let frame = sealed(&key, Suite::default(), BODY, &context());
    let (first, second) = (entry("kek-2027", &[1; 90]), entry("kek-primary", &[0xab; 60]));
    let rewrapped = with_reference(&frame, &[&[2][..], &first, &second].concat());
    assert_eq!(opened(&key, &rewrapped, &context()).unwrap(), BODY);
    let KeyReference::Wrapped(deks) = Frame::parse(&rewrapped).unwrap().key_reference().clone()
    else {
        panic!("not a wrapped reference");
    };
    let aliases: Vec<_> = deks.iter().map(|dek| dek.kek_alias).collect();
    assert_eq!(aliases, ["kek-2027", "kek-primary"]);
}
