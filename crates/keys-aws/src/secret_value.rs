//! The key in a version of a secret: 32 bytes, or their base64.

use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealmq_crypto_core::{EncryptionKey, KeyError};
use zeroize::Zeroizing;

use crate::error::malformed;

/// The key of an answer. What the answer held of it is overwritten.
pub(crate) fn key_of(
    answer: &mut GetSecretValueOutput,
    what: &str,
) -> Result<EncryptionKey, KeyError> {
    let binary = answer.secret_binary.take().map(|blob| Zeroizing::new(blob.into_inner()));
    let text = answer.secret_string.take().map(Zeroizing::new);
    let bytes = match (binary, text) {
        (Some(bytes), None) => bytes,
        (None, Some(text)) => {
            // A file or a shell may have left the end of the line.
            let decoded = STANDARD.decode(text.trim_end().as_bytes()).map(Zeroizing::new);
            // The decoder's own error tells of the secret's bytes.
            decoded.map_err(|_| malformed(format!("{what}: the string is no base64")))?
        }
        _ => return Err(malformed(format!("{what}: neither a binary nor a string secret"))),
    };
    EncryptionKey::from_slice(&bytes)
        .map_err(|_| malformed(format!("{what}: a key has {} bytes", EncryptionKey::LEN)))
}

#[cfg(test)]
mod tests {
    use aws_sdk_secretsmanager::primitives::Blob;

    use super::*;

    fn answer(binary: Option<&[u8]>, text: Option<&str>) -> GetSecretValueOutput {
        GetSecretValueOutput::builder()
            .set_secret_binary(binary.map(Blob::new))
            .set_secret_string(text.map(str::to_owned))
            .build()
    }

    #[test]
    fn a_key_is_32_bytes_or_their_base64() {
        let key: Vec<u8> = (0..32).collect();
        let text = STANDARD.encode(&key);
        for mut taken in [
            answer(Some(&key), None),
            answer(None, Some(&text)),
            answer(None, Some(&format!("{text}\n"))),
        ] {
            assert_eq!(key_of(&mut taken, "key").unwrap().expose_secret().as_slice(), key);
            assert!(taken.secret_binary.is_none() && taken.secret_string.is_none());
        }
    }

    #[test]
    fn anything_else_is_malformed_and_not_shown() {
        let text = STANDARD.encode([7; 32]);
        for mut refused in [
            answer(None, None),
            answer(Some(&[7; 32]), Some(&text)),
            answer(Some(&[7; 31]), None),
            answer(Some(text.as_bytes()), None),
            answer(None, Some("")),
            answer(None, Some(text.trim_end_matches('='))),
            answer(None, Some(&STANDARD.encode([7; 33]))),
            answer(None, Some(r#"{"key":"BwcHBwcH"}"#)),
        ] {
            let error = key_of(&mut refused, "version 1").unwrap_err();
            assert_eq!(error.kind(), &sealmq_crypto_core::KeyErrorKind::Malformed);
            assert!(!format!("{error} {error:?}").contains("Bwc"), "{error:?}");
        }
    }
}
