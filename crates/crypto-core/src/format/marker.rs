//! Telling a frame from a plaintext by its first bytes.

use super::MAGIC;

/// The base64 form of "QRE1" begins with these five characters and one of `Q` to `f`.
const ARMOURED: &[u8; 5] = b"UVJFM";

/// How a body is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// It begins with the magic: a frame, or malformed; never a plaintext.
    Binary,
    /// It begins with the base64 form of the magic.
    Armoured,
    /// Not marked: a plaintext.
    None,
}

/// Looks at the first bytes of a body and at nothing else.
pub fn find_marker(body: &[u8]) -> Marker {
    if body.starts_with(&MAGIC) {
        return Marker::Binary;
    }
    match body.strip_prefix(ARMOURED) {
        Some([b'Q'..=b'Z' | b'a'..=b'f', ..]) => Marker::Armoured,
        _ => Marker::None,
    }
}
