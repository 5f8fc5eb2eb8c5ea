//! Every version, suite, flag and length but the right ones is refused before a key is used.

use sealmq_crypto_core::format::Frame;
use sealmq_crypto_core::{
    CryptoConfig, CryptoErrorKind, CryptoProvider, EncryptedMessage, MessageKey, Suite,
};

use crate::support::{
    assert_malformed, assert_unauthentic, context, named_key, named_provider, opened, sealed,
    wrapped_key,
};

fn frames() -> [(MessageKey, Vec<u8>); 2] {
    let seal = |key: MessageKey, suite| {
        let frame = sealed(&key, suite, b"body", &context());
        opened(&key, &frame, &context()).expect("unchanged, it opens");
        (key, frame)
    };
    [seal(named_key(), Suite::Aes256Gcm), seal(wrapped_key(), Suite::ChaCha20Poly1305)]
}

fn with_byte(frame: &[u8], offset: usize, byte: u8) -> Vec<u8> {
    let mut edited = frame.to_vec();
    edited[offset] = byte;
    edited
}

fn assert_unsupported(key: &MessageKey, frame: &[u8], field: &'static str, value: u8) {
    let error = opened(key, frame, &context()).unwrap_err();
    assert_eq!(error.kind(), &CryptoErrorKind::Unsupported { field, value });
}

#[test]
fn each_of_the_255_other_versions_is_refused() {
    for (key, frame) in frames() {
        for version in (0..=u8::MAX).filter(|version| *version != 1) {
            assert_unsupported(&key, &with_byte(&frame, 4, version), "version", version);
        }
    }
}

#[test]
fn each_of_the_254_unknown_suites_is_refused() {
    let unknown: Vec<u8> = (0..=u8::MAX).filter(|suite| !(1..=2).contains(suite)).collect();
    assert_eq!(unknown.len(), 254); // 0x20 among them: no key in this process opens it
    for (key, frame) in frames() {
        for &suite in &unknown {
            assert_unsupported(&key, &with_byte(&frame, 5, suite), "suite", suite);
        }
    }
}

#[test]
fn the_other_known_suite_written_over_a_frames_own_is_refused() {
    for (key, frame) in frames() {
        let rewritten = with_byte(&frame, 5, frame[5] ^ 0b11);
        assert_unauthentic(opened(&key, &rewritten, &context()), "suite 1 for 2 or 2 for 1");
    }
}

#[test]
fn each_reserved_flag_bit_is_refused() {
    for (key, frame) in frames() {
        for bit in 2..8 {
            let flagged = with_byte(&frame, 6, frame[6] | 1 << bit);
            assert_malformed(opened(&key, &flagged, &context()), &format!("bit {bit}"));
        }
    }
}

#[test]
fn key_reference_modes_00_and_11_are_refused() {
    for (key, frame) in frames() {
        for mode in [0b00, 0b11] {
            assert_malformed(opened(&key, &with_byte(&frame, 6, mode), &context()), "mode");
        }
    }
}

#[test]
fn each_value_but_zero_of_the_reserved_byte_is_refused() {
    for (key, frame) in frames() {
        for byte in 1..=u8::MAX {
            assert_malformed(opened(&key, &with_byte(&frame, 7, byte), &context()), "reserved");
        }
    }
}

#[test]
fn a_header_length_that_is_off_by_one_or_absurd_is_refused() {
    for (key, frame) in frames() {
        let right = Frame::parse(&frame).unwrap().header_len() as u16;
        for wrong in [right - 1, right + 1, 0, 41, 42, 8_192, 8_193, u16::MAX] {
            let mut edited = frame.clone();
            edited[8..10].copy_from_slice(&wrong.to_be_bytes());
            assert_malformed(opened(&key, &edited, &context()), &wrong.to_string());
        }
    }
}

#[tokio::test]
async fn a_suite_that_is_not_on_the_allow_list_is_refused_before_its_key_is_looked_up() {
    let sender = named_provider(&CryptoConfig::default());
    let narrow = CryptoConfig::default()
        .with_suite(Suite::ChaCha20Poly1305)
        .with_accepted_suites([Suite::ChaCha20Poly1305]);
    let (wide, narrow) = (named_provider(&CryptoConfig::default()), named_provider(&narrow));
    let frame = sender.encrypt(b"body", &context()).await.unwrap();

    wide.decrypt(frame.clone(), &context()).await.expect("the control accepts both suites");
    let error = narrow.decrypt(frame.clone(), &context()).await.unwrap_err();
    let refusal = CryptoErrorKind::Unsupported { field: "suite", value: 1 };
    assert_eq!(error.kind(), &refusal);

    // The same with a key id that nobody knows: the suite is judged first.
    let mut renamed = frame.into_bytes().to_vec();
    renamed[43] = b'X';
    let renamed = EncryptedMessage::parse(renamed).unwrap();
    assert_eq!(narrow.decrypt(renamed, &context()).await.unwrap_err().kind(), &refusal);
}
