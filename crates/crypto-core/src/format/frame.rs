//! The strict parser of a frame, and the writer of its header.

use super::key_reference::{MODE_NAMED, MODE_WRAPPED};
use super::{
    KEY_REFERENCE_OFFSET, KeyReference, MAGIC, MAX_HEADER_LEN, NONCE_LEN, TAG_LEN, VERSION,
};
use crate::error::{CryptoError, CryptoErrorKind};
use crate::kdf::COMMITMENT_LEN;
use crate::suite::Suite;

/// Length of the header fields that every key is derived from: all but `header_len`, the key
/// reference and the commitment.
pub(crate) const FIXED_LEN: usize = 40;

const MODE_MASK: u8 = 0b11;
const SUITE_OFFSET: usize = 5;
const FLAGS_OFFSET: usize = 6;
const RESERVED_OFFSET: usize = 7;
const HEADER_LEN_OFFSET: usize = 8;
const ENCRYPTED_AT_OFFSET: usize = 10;
const NONCE_OFFSET: usize = 18;

/// A frame whose structure was checked. Nothing in it is authenticated yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    bytes: &'a [u8],
    suite: Suite,
    key_reference: KeyReference<'a>,
    header_len: usize,
}

impl<'a> Frame<'a> {
    /// Parses a frame strictly: every length is checked before anything is looked up, and there
    /// is exactly one encoding of each frame.
    ///
    /// # Errors
    /// `Malformed` with the rule that was broken (also when the magic is missing: look for it
    /// with [`find_marker`](super::find_marker) first), `Unsupported` for another version or an
    /// unknown suite.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, CryptoError> {
        if !bytes.starts_with(&MAGIC) {
            return Err(CryptoError::malformed("the magic is missing"));
        }
        // The version comes before all else: another version may have another layout.
        match bytes.get(MAGIC.len()) {
            Some(&VERSION) => {}
            Some(&value) => return Err(unsupported("version", value)),
            None => return Err(CryptoError::malformed("shorter than a header")),
        }
        let (fixed, rest) = bytes
            .split_first_chunk::<KEY_REFERENCE_OFFSET>()
            .ok_or_else(|| CryptoError::malformed("shorter than a header"))?;
        let flags = fixed[FLAGS_OFFSET];
        if !matches!(flags, MODE_NAMED | MODE_WRAPPED) {
            return Err(CryptoError::malformed("flags are not a key-reference mode alone"));
        }
        if fixed[RESERVED_OFFSET] != 0 {
            return Err(CryptoError::malformed("the reserved byte is not zero"));
        }
        let suite = Suite::from_id(fixed[SUITE_OFFSET])
            .ok_or_else(|| unsupported("suite", fixed[SUITE_OFFSET]))?;
        let header_len = usize::from(u16::from_be_bytes([
            fixed[HEADER_LEN_OFFSET],
            fixed[HEADER_LEN_OFFSET + 1],
        ]));
        if header_len > MAX_HEADER_LEN {
            return Err(CryptoError::malformed("header_len is over 8,192"));
        }
        let (key_reference, rest) = KeyReference::parse(flags & MODE_MASK, rest)?;
        let parsed_len = bytes.len() - rest.len() + COMMITMENT_LEN;
        if header_len != parsed_len {
            return Err(CryptoError::malformed("header_len is not the length of the header"));
        }
        if bytes.len() < header_len + TAG_LEN {
            return Err(CryptoError::malformed("ends before the tag"));
        }
        Ok(Self { bytes, suite, key_reference, header_len })
    }

    /// The cipher suite.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Which key opens the frame.
    pub fn key_reference(&self) -> &KeyReference<'a> {
        &self.key_reference
    }

    /// When the frame says it was sealed, in Unix milliseconds.
    pub fn encrypted_at_ms(&self) -> u64 {
        u64::from_be_bytes(self.array(ENCRYPTED_AT_OFFSET))
    }

    /// The nonce: 192 random bits, and the message's replay id.
    pub fn nonce(&self) -> [u8; NONCE_LEN] {
        self.array(NONCE_OFFSET)
    }

    /// Where the ciphertext begins.
    pub fn header_len(&self) -> usize {
        self.header_len
    }

    /// The commitment to key and context, 32 bytes.
    pub fn commitment(&self) -> [u8; COMMITMENT_LEN] {
        self.array(self.header_len - COMMITMENT_LEN)
    }

    /// The authentication tag, 16 bytes.
    pub fn tag(&self) -> [u8; TAG_LEN] {
        self.array(self.bytes.len() - TAG_LEN)
    }

    /// Ciphertext and tag.
    pub fn sealed(&self) -> &'a [u8] {
        &self.bytes[self.header_len..]
    }

    pub(crate) fn fixed(&self) -> [u8; FIXED_LEN] {
        fixed_of(&self.array(0))
    }

    /// `N` bytes at an offset that `parse` has found to lie within the frame.
    fn array<const N: usize>(&self, offset: usize) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(&self.bytes[offset..offset + N]);
        array
    }
}

fn unsupported(field: &'static str, value: u8) -> CryptoError {
    CryptoError::new(CryptoErrorKind::Unsupported { field, value })
}

/// The header fields that vary from message to message.
pub(crate) struct FrameFields<'a> {
    pub(crate) suite: Suite,
    pub(crate) mode: u8,
    pub(crate) encrypted_at_ms: u64,
    pub(crate) nonce: &'a [u8; NONCE_LEN],
    pub(crate) header_len: u16,
}

/// The header up to the key reference.
pub(crate) fn write_header(fields: &FrameFields<'_>) -> [u8; KEY_REFERENCE_OFFSET] {
    let mut header = [0; KEY_REFERENCE_OFFSET];
    header[..4].copy_from_slice(&MAGIC);
    header[4] = VERSION;
    header[SUITE_OFFSET] = fields.suite.id();
    header[FLAGS_OFFSET] = fields.mode;
    header[HEADER_LEN_OFFSET..ENCRYPTED_AT_OFFSET]
        .copy_from_slice(&fields.header_len.to_be_bytes());
    header[ENCRYPTED_AT_OFFSET..NONCE_OFFSET]
        .copy_from_slice(&fields.encrypted_at_ms.to_be_bytes());
    header[NONCE_OFFSET..].copy_from_slice(fields.nonce);
    header
}

/// The header without `header_len`: that changes when a DEK is wrapped anew.
pub(crate) fn fixed_of(header: &[u8; KEY_REFERENCE_OFFSET]) -> [u8; FIXED_LEN] {
    let mut fixed = [0; FIXED_LEN];
    fixed[..HEADER_LEN_OFFSET].copy_from_slice(&header[..HEADER_LEN_OFFSET]);
    fixed[HEADER_LEN_OFFSET..].copy_from_slice(&header[ENCRYPTED_AT_OFFSET..]);
    fixed
}
