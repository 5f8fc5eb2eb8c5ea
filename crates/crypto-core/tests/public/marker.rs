//! The marker tells frames from plaintexts exactly, and what bears it is never a plaintext.

use sealmq_crypto_core::format::{Marker, armour, find_marker};
use sealmq_crypto_core::{EncryptedMessage, ErrorKindCode, Suite};

use crate::support::{context, named_key, sealed};

fn frame() -> Vec<u8> {
    sealed(&named_key(), Suite::default(), b"body", &context())
}

/// The control: a marker sought somewhere near the start, in any letter case.
fn careless_marker(body: &[u8]) -> bool {
    let start = String::from_utf8_lossy(&body[..body.len().min(16)]).to_uppercase();
    start.contains("QRE1") || start.contains("UVJFM")
}

#[test]
fn a_frame_is_marked_and_its_armour_too() {
    assert_eq!(find_marker(&frame()), Marker::Binary);
    assert_eq!(find_marker(armour(&frame()).as_bytes()), Marker::Armoured);
}

#[test]
fn a_marker_that_is_changed_or_preceded_by_anything_is_no_marker() {
    let frame = frame();
    let bodies: [(&str, Vec<u8>); 10] = [
        ("lower case", [b"qre1", &frame[4..]].concat()),
        ("mixed case", [b"Qre1", &frame[4..]].concat()),
        ("byte order mark", [b"\xef\xbb\xbf", &frame[..]].concat()),
        ("space", [b" ", &frame[..]].concat()),
        ("line break", [b"\r\n", &frame[..]].concat()),
        ("NUL", [b"\0", &frame[..]].concat()),
        ("doubled letter", [b"Q", &frame[..]].concat()),
        ("space before the armour", [b" ", armour(&frame).as_bytes()].concat()),
        ("armour in lower case", armour(&frame).to_lowercase().into_bytes()),
        ("quoted armour", [b"\"", armour(&frame).as_bytes(), b"\""].concat()),
    ];
    for (name, body) in bodies {
        assert!(careless_marker(&body), "{name}: the control takes it for a frame");
        assert_eq!(find_marker(&body), Marker::None, "{name}");
    }
}

#[test]
fn a_marker_that_is_stripped_or_cut_is_no_marker() {
    let frame = frame();
    assert_eq!(find_marker(&frame[4..]), Marker::None);
    for len in 0..4 {
        assert_eq!(find_marker(&frame[..len]), Marker::None, "{len} bytes");
    }
    for len in 0..6 {
        assert_eq!(find_marker(&armour(&frame).as_bytes()[..len]), Marker::None, "{len} letters");
    }
}

/// "QRE1" is 32 bits: five letters of base64 and two bits of a sixth, whose other four bits are
/// the next byte's. So the sixth is one of 16 letters, and each of them does occur.
#[test]
fn the_armoured_marker_covers_every_byte_that_can_follow_the_magic_and_no_other() {
    let mut sixth_letters = Vec::new();
    for version in 0..=u8::MAX {
        let text = armour(&[b"QRE1", &[version, 0][..]].concat());
        assert_eq!(find_marker(text.as_bytes()), Marker::Armoured, "version byte {version}");
        sixth_letters.push(text.as_bytes()[5]);
    }
    sixth_letters.dedup();
    assert_eq!(sixth_letters, b"QRSTUVWXYZabcdef");
    for letter in 0..=u8::MAX {
        let text = [b"UVJFM", &[letter][..], b"AA"].concat();
        let expected = match sixth_letters.contains(&letter) {
            true => Marker::Armoured,
            false => Marker::None,
        };
        assert_eq!(find_marker(&text), expected, "sixth letter {letter:#04x}");
    }
}

#[test]
fn bytes_that_differ_from_the_magic_in_one_bit_are_not_marked_in_either_form() {
    for bit in 0..32 {
        let mut magic = *b"QRE1";
        magic[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(find_marker(&magic), Marker::None, "bit {bit}");
        assert_eq!(find_marker(armour(&magic).as_bytes()), Marker::None, "bit {bit}");
    }
}

#[test]
fn a_plaintext_that_starts_with_the_marker_is_marked_and_malformed_never_a_plaintext() {
    for text in ["QRE1", "QRE1\u{1}", "QRE1 is only text here", "QRE1QRE1"] {
        assert_eq!(find_marker(text.as_bytes()), Marker::Binary, "{text:?}");
        let error = EncryptedMessage::parse(text.as_bytes().to_vec()).unwrap_err();
        assert!(matches!(error.kind().code(), "malformed" | "unsupported_version"), "{text:?}");
    }
}
