//! The text form of a frame, for transports that carry only text: canonical padded base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::CryptoError;

/// The base64 form of a frame (RFC 4648, section 4, with padding).
pub fn armour(frame: &[u8]) -> String {
    STANDARD.encode(frame)
}

/// The frame of a base64 form.
///
/// # Errors
/// `Malformed` unless the text is the one canonical form: standard alphabet, padded, no white
/// space, unused bits zero. Two texts for one frame would give a replay a second name.
pub fn dearmour(text: &[u8]) -> Result<Vec<u8>, CryptoError> {
    STANDARD.decode(text).map_err(|_| CryptoError::malformed("armour is not canonical base64"))
}
