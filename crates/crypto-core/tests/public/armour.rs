//! Armour has one form: any other text of the same bytes is refused.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sealmq_crypto_core::Suite;
use sealmq_crypto_core::format::{Marker, armour, dearmour, find_marker};

use crate::support::{assert_malformed, context, named_key, sealed};

/// The control: a decoder that is generous in what it accepts.
fn lenient(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let standard: String = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            c => c,
        })
        .collect();
    GeneralPurpose::new(&STANDARD, config).decode(standard).ok()
}

/// A frame of this body length; 1, 2 and 3 bytes end in each of the three ways of padding.
fn frame(body_len: usize) -> Vec<u8> {
    sealed(&named_key(), Suite::default(), &vec![0x5a; body_len], &context())
}

/// The control takes the text for the frame, and we refuse it.
fn assert_second_name(text: &str, frame: &[u8], what: &str) {
    assert_eq!(lenient(text).as_deref(), Some(frame), "{what}: a lenient decoder");
    assert_malformed(dearmour(text.as_bytes()), what);
}

#[test]
fn armour_and_dearmour_are_inverse_for_every_way_of_padding() {
    for body_len in 0..6 {
        let frame = frame(body_len);
        assert_eq!(dearmour(armour(&frame).as_bytes()).unwrap(), frame);
    }
}

#[test]
fn white_space_anywhere_in_armour_is_refused() {
    let frame = frame(1);
    let text = armour(&frame);
    for space in [" ", "\n", "\r\n", "\t"] {
        for at in [0, 1, 76, text.len() - 1, text.len()] {
            let spaced = format!("{}{space}{}", &text[..at], &text[at..]);
            assert_second_name(&spaced, &frame, "white space");
        }
    }
}

#[test]
fn missing_and_surplus_padding_is_refused() {
    for body_len in 0..6 {
        let frame = frame(body_len);
        let text = armour(&frame);
        let bare = text.trim_end_matches('=');
        if bare != text {
            assert_second_name(bare, &frame, "no padding");
        }
        for surplus in ["=", "==", "===", "===="] {
            assert_malformed(dearmour(format!("{text}{surplus}").as_bytes()), "surplus padding");
        }
    }
}

#[test]
fn unused_bits_that_are_not_zero_are_refused() {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut judged = 0;
    for body_len in 0..3 {
        let frame = frame(body_len);
        let text = armour(&frame);
        let padding = text.bytes().filter(|byte| *byte == b'=').count();
        let last = text.len() - padding - 1;
        let value = ALPHABET.iter().position(|c| *c == text.as_bytes()[last]).unwrap();
        // One `=` leaves two unused bits, two leave four.
        for unused in 1..1 << (2 * padding) {
            let mut text = text.clone().into_bytes();
            text[last] = ALPHABET[value + unused];
            assert_second_name(std::str::from_utf8(&text).unwrap(), &frame, "unused bits");
            judged += 1;
        }
    }
    assert_eq!(judged, 3 + 15);
}

#[test]
fn the_url_alphabet_is_refused() {
    // A frame whose armour is sure to hold letters that the two alphabets write differently.
    let (frame, text) = (0..100)
        .map(|_| (frame(64), String::new()))
        .map(|(frame, _)| (frame.clone(), armour(&frame)))
        .find(|(_, text)| text.contains('+') && text.contains('/'))
        .unwrap();
    let url = text.replace('+', "-").replace('/', "_");
    assert_second_name(&url, &frame, "URL alphabet");
}

#[test]
fn letters_outside_of_the_alphabet_are_refused() {
    let text = armour(&frame(1));
    for letter in ['!', '.', '\0', '\u{e9}', '\u{2003}'] {
        let edited = format!("{}{letter}{}", &text[..8], &text[8..]);
        assert_malformed(dearmour(edited.as_bytes()), "foreign letter");
    }
}

#[test]
fn cut_armour_is_refused_or_gives_fewer_bytes_never_the_frame() {
    let frame = frame(1);
    let text = armour(&frame);
    for len in 0..text.len() {
        if let Ok(bytes) = dearmour(&text.as_bytes()[..len]) {
            assert!(bytes.len() < frame.len());
        }
    }
}

#[test]
fn armour_of_armour_is_not_marked_as_a_frame() {
    let twice = armour(armour(&frame(1)).as_bytes());
    assert_eq!(find_marker(twice.as_bytes()), Marker::None);
    // Taken off once, the inner one is text, not a binary frame.
    let once = dearmour(twice.as_bytes()).unwrap();
    assert_eq!(find_marker(&once), Marker::Armoured);
}
