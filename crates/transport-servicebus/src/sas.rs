//! Shared access signatures: made of a key, and read for their expiry.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

const PREFIX: &str = "SharedAccessSignature ";

/// Signs a token for a resource ("Service Bus access control with Shared Access Signatures").
pub(crate) fn sign(
    key_name: &str,
    key: &str,
    resource: &str,
    expires_at: SystemTime,
) -> Zeroizing<String> {
    let resource = percent_encoded(resource);
    let expiry = expires_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let signature = hmac::sign(&key, format!("{resource}\n{expiry}").as_bytes());
    let signature = percent_encoded(&STANDARD.encode(signature.as_ref()));
    let key_name = percent_encoded(key_name);
    Zeroizing::new(format!("{PREFIX}sr={resource}&sig={signature}&se={expiry}&skn={key_name}"))
}

/// The second that a time is in: a signature states its expiry no finer.
pub(crate) fn whole_seconds(time: SystemTime) -> SystemTime {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since_epoch.as_secs())
}

/// When a signature somebody else made expires; `None` if it is no signature.
pub(crate) fn expiry(signature: &str) -> Option<SystemTime> {
    let mut fields = signature.strip_prefix(PREFIX)?.split('&');
    let seconds = fields.find_map(|field| field.strip_prefix("se="))?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds.parse().ok()?))
}

/// All but the unreserved characters of RFC 3986 as `%xx`.
fn percent_encoded(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}"); // writing to a String cannot fail
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_one_other_clients_make() {
        let expires_at = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let token = sign("RootManageSharedAccessKey", "SAS_KEY_VALUE", "sb://ns/q", expires_at);
        // hmac.digest(b"SAS_KEY_VALUE", b"sb%3A%2F%2Fns%2Fq\n1700000000", "sha256") in Python
        assert_eq!(
            *token,
            "SharedAccessSignature sr=sb%3A%2F%2Fns%2Fq&sig=xkF2KQ%2B19pJgiIkr2TxWyla%2F7V8kwcn6k2TzQ10Siv4%3D\
             &se=1700000000&skn=RootManageSharedAccessKey"
        );
        assert_eq!(expiry(&token), Some(expires_at));
    }

    #[test]
    fn only_signatures_have_an_expiry() {
        for text in ["", "se=5", "SharedAccessSignature sr=a", "SharedAccessSignature se=x"] {
            assert_eq!(expiry(text), None, "{text}");
        }
    }
}
