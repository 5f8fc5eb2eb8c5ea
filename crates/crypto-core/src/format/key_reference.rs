//! The key reference: which key opens the frame, as a hint into the receiver's own configuration.

use super::{MAX_KEY_ID_LEN, MAX_WRAPPED_DEKS, MAX_WRAPPED_LEN};
use crate::error::CryptoError;
use crate::keys::{EncryptionKeyId, WrappedDek};

/// Mode 01 in the flags: a named key.
pub(super) const MODE_NAMED: u8 = 0b01;
/// Mode 10 in the flags: wrapped DEKs.
pub(super) const MODE_WRAPPED: u8 = 0b10;

/// A parsed key reference, borrowed from its frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyReference<'a> {
    /// The id of a key that both sides have.
    Named(&'a str),
    /// The DEK itself, wrapped by one to four KEKs.
    Wrapped(WrappedDeks<'a>),
}

/// One wrapped DEK of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WrappedDekRef<'a> {
    /// The alias of the KEK in the receiver's configuration.
    pub kek_alias: &'a str,
    /// The wrapped DEK, opaque.
    pub wrapped: &'a [u8],
}

/// One to four wrapped DEKs, without an allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrappedDeks<'a> {
    entries: [WrappedDekRef<'a>; MAX_WRAPPED_DEKS],
    count: usize,
}

impl<'a> std::ops::Deref for WrappedDeks<'a> {
    type Target = [WrappedDekRef<'a>];

    fn deref(&self) -> &Self::Target {
        &self.entries[..self.count]
    }
}

impl<'a> KeyReference<'a> {
    /// Parses the reference at the start of `input` and returns what follows it.
    pub(super) fn parse(mode: u8, input: &'a [u8]) -> Result<(Self, &'a [u8]), CryptoError> {
        match mode {
            MODE_NAMED => {
                let (key_id, rest) = take_text(input)?;
                Ok((Self::Named(key_id), rest))
            }
            MODE_WRAPPED => {
                let (deks, rest) = parse_wrapped(input)?;
                Ok((Self::Wrapped(deks), rest))
            }
            _ => Err(CryptoError::malformed("unknown key-reference mode")),
        }
    }

    /// What to call the key in logs and errors: the key id, or the first KEK alias.
    pub fn label(&self) -> &'a str {
        match self {
            Self::Named(key_id) => key_id,
            Self::Wrapped(deks) => deks.entries[0].kek_alias,
        }
    }
}

fn parse_wrapped(input: &[u8]) -> Result<(WrappedDeks<'_>, &[u8]), CryptoError> {
    let (&count, mut rest) = input.split_first().ok_or_else(ends_early)?;
    let count = usize::from(count);
    if !(1..=MAX_WRAPPED_DEKS).contains(&count) {
        return Err(CryptoError::malformed("wrapped DEK count is not 1 to 4"));
    }
    let mut entries = [WrappedDekRef::default(); MAX_WRAPPED_DEKS];
    for index in 0..count {
        let (kek_alias, after_alias) = take_text(rest)?;
        let (len, after_len) = after_alias.split_first_chunk::<2>().ok_or_else(ends_early)?;
        let len = usize::from(u16::from_be_bytes(*len));
        if !(1..=MAX_WRAPPED_LEN).contains(&len) {
            return Err(CryptoError::malformed("wrapped DEK length is not 1 to 4,096"));
        }
        let (wrapped, after) = after_len.split_at_checked(len).ok_or_else(ends_early)?;
        if entries[..index].iter().any(|entry| entry.kek_alias == kek_alias) {
            return Err(CryptoError::malformed("a KEK alias stands twice"));
        }
        entries[index] = WrappedDekRef { kek_alias, wrapped };
        rest = after;
    }
    Ok((WrappedDeks { entries, count }, rest))
}

fn take_text(input: &[u8]) -> Result<(&str, &[u8]), CryptoError> {
    let (&len, rest) = input.split_first().ok_or_else(ends_early)?;
    let len = usize::from(len);
    if !(1..=MAX_KEY_ID_LEN).contains(&len) {
        return Err(CryptoError::malformed("key id or KEK alias length is not 1 to 64"));
    }
    let (text, rest) = rest.split_at_checked(len).ok_or_else(ends_early)?;
    let text = std::str::from_utf8(text)
        .map_err(|_| CryptoError::malformed("key id or KEK alias is not UTF-8"))?;
    // Key ids are shown in errors and logs: a line break in one would forge a log line.
    if text.chars().any(char::is_control) {
        return Err(CryptoError::malformed("key id or KEK alias holds a control character"));
    }
    Ok((text, rest))
}

fn ends_early() -> CryptoError {
    CryptoError::malformed("key reference ends early")
}

/// The encoded reference to a named key, with its mode.
pub(crate) fn encode_named(key_id: &EncryptionKeyId) -> (u8, Vec<u8>) {
    let mut encoded = Vec::with_capacity(1 + key_id.as_str().len());
    push_text(&mut encoded, key_id.as_str());
    (MODE_NAMED, encoded)
}

/// The encoded reference to a DEK wrapped by one to four KEKs, with its mode.
///
/// # Errors
/// `InvalidInput` for another number of wrapped DEKs, or one of a length no frame can carry.
pub(crate) fn encode_wrapped(deks: &[WrappedDek]) -> Result<(u8, Vec<u8>), CryptoError> {
    if !(1..=MAX_WRAPPED_DEKS).contains(&deks.len()) {
        return Err(CryptoError::invalid_input("keks", "a DEK is wrapped by 1 to 4 KEKs"));
    }
    let mut encoded = vec![deks.len() as u8];
    for dek in deks {
        push_text(&mut encoded, dek.kek_alias().as_str());
        let len = u16::try_from(dek.bytes().len()).unwrap_or(u16::MAX);
        encoded.extend_from_slice(&len.to_be_bytes());
        encoded.extend_from_slice(dek.bytes());
    }
    Ok((MODE_WRAPPED, encoded))
}

/// Ids and aliases are 1 to 64 bytes by construction of their types.
fn push_text(encoded: &mut Vec<u8>, text: &str) {
    encoded.push(text.len() as u8);
    encoded.extend_from_slice(text.as_bytes());
}
