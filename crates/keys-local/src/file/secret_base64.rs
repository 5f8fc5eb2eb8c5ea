//! Keys as base64 in JSON, without a copy that is not zeroized.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealmq_crypto_core::EncryptionKey;
use serde::de::Visitor;
use serde::ser::Error as _;
use serde::{Deserializer, Serializer};
use zeroize::Zeroizing;

/// 32 bytes, padded.
const ENCODED_LEN: usize = 44;

pub(super) fn serialize<S: Serializer>(
    key: &Arc<EncryptionKey>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut encoded = Zeroizing::new([0; ENCODED_LEN]);
    let secret = key.expose_secret();
    STANDARD.encode_slice(secret, encoded.as_mut_slice()).map_err(S::Error::custom)?;
    serializer.serialize_str(str::from_utf8(encoded.as_slice()).map_err(S::Error::custom)?)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Arc<EncryptionKey>, D::Error> {
    deserializer.deserialize_str(KeyVisitor)
}

/// Takes only text that stands in the input as it is: a parser copies text with escapes into a
/// buffer of its own, and base64 needs none.
struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Arc<EncryptionKey>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key in base64")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        // The error of the decoder holds a byte of the key, so it goes no further.
        let refuse = || E::custom("not 32 bytes in base64");
        let mut decoded = Zeroizing::new([0; ENCODED_LEN]);
        let len = STANDARD.decode_slice(text, decoded.as_mut_slice()).map_err(|_| refuse())?;
        EncryptionKey::from_slice(&decoded[..len]).map(Arc::new).map_err(|_| refuse())
    }
}
