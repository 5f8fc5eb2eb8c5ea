//! The QRE1 frame as bytes: lengths and limits, no keys, no clock, no randomness.
//!
//! ```text
//! off len field
//! 0   4   magic "QRE1"
//! 4   1   version 0x01
//! 5   1   suite
//! 6   1   flags: bits 0-1 key-reference mode
//! 7   1   reserved, zero
//! 8   2   header_len: offset of the ciphertext
//! 10  8   encrypted_at, Unix milliseconds
//! 18  24  nonce
//! 42  n   key reference
//! ..  32  commitment
//! ..  m   ciphertext
//! ..  16  tag
//! ```

mod armour;
mod frame;
mod key_reference;
mod marker;

pub use armour::{armour, dearmour};
pub use frame::Frame;
pub(crate) use frame::{FIXED_LEN, FrameFields, fixed_of, write_header};
pub use key_reference::{KeyReference, WrappedDekRef, WrappedDeks};
pub(crate) use key_reference::{encode_named, encode_wrapped};
pub use marker::{Marker, find_marker};

/// The first four bytes of every frame.
pub const MAGIC: [u8; 4] = *b"QRE1";
/// The only version there is.
pub const VERSION: u8 = 0x01;
/// Where the key reference begins.
pub const KEY_REFERENCE_OFFSET: usize = 42;
/// The longest header, from the magic to the commitment.
pub const MAX_HEADER_LEN: usize = 8_192;
/// Length of the nonce in bytes.
pub const NONCE_LEN: usize = 24;
/// Length of the authentication tag in bytes.
pub const TAG_LEN: usize = 16;
/// The longest key id and KEK alias, in bytes.
pub const MAX_KEY_ID_LEN: usize = 64;
/// The most KEKs that wrap one DEK.
pub const MAX_WRAPPED_DEKS: usize = 4;
/// The longest wrapped DEK, in bytes.
pub const MAX_WRAPPED_LEN: usize = 4_096;
