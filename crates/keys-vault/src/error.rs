//! What the server says, as our errors: one table, which looks at the text where the status says
//! too little.
//!
//! No text of the server is repeated: a proxy's error page may hold the request, and with it a
//! token.

use std::time::Duration;

use sealmq_crypto_core::{KeyError, KeyErrorKind};
use sealmq_tls::Refusal;
use serde::Deserialize;

/// What parts of an error text mean. Transit answers almost everything with 400, and tells its
/// reasons apart in words alone.
const REASONS: &[(&str, KeyErrorKind, &str)] = {
    use KeyErrorKind as K;
    &[
        ("message authentication failed", K::ContextMismatch, "does not authenticate"),
        ("encryption key not found", K::KeyNotFound, NO_SUCH_KEY),
        ("key not found", K::KeyNotFound, NO_SUCH_KEY),
        ("no existing key named", K::KeyNotFound, NO_SUCH_KEY),
        ("could not delete key; not found", K::KeyNotFound, NO_SUCH_KEY),
        // What a shredded tenant leaves behind: see `service.rs`.
        ("non-AEAD cipher suite", K::KeyNotFound, "the key was shredded"),
        ("soft-deleted", K::Disabled, "the key is soft-deleted"),
        ("version is too new", K::WrongKeyVersion, "there is no such version yet"),
        ("too old", K::WrongKeyVersion, "the version is below min_decryption_version"),
        ("invalid ciphertext", K::Malformed, "is no Transit ciphertext"),
        ("missing ciphertext", K::Malformed, "is no Transit ciphertext"),
        ("wrapping token is not valid", K::Denied, "the wrapping token was used or has expired"),
        ("invalid role or secret ID", K::Denied, "role id or secret id is refused"),
        ("invalid username or password", K::Denied, "user name or password is refused"),
        ("is sealed", K::Unavailable, "the server is sealed"),
        ("no handler for route", K::Denied, "nothing is mounted there"),
        ("unsupported path", K::Denied, "the mount does not know the path"),
    ]
};

const NO_SUCH_KEY: &str = "there is no such key";

/// What a status means where no text says more.
fn by_status(status: u16, retry_after: Option<Duration>) -> (KeyErrorKind, &'static str) {
    use KeyErrorKind as K;
    match status {
        429 => (K::Throttled { retry_after }, "too many requests"),
        403 => (K::Denied, "the token or its policy does not allow it"),
        404 => (K::KeyNotFound, "there is nothing there"),
        300..=399 => (K::Unavailable, "answered with a redirect, which is not followed"),
        408 | 412 | 472 | 473 | 500.. => (K::Unavailable, "the server failed"),
        // The request, not a message, is at fault: nobody is to blame a message for it.
        _ => (K::Denied, "the request was refused"),
    }
}

#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<String>,
}

/// The error of an answer that is no success. `path` is what was asked for.
pub(crate) fn refusal(
    path: &str,
    status: u16,
    retry_after: Option<Duration>,
    body: &[u8],
) -> KeyError {
    let told = serde_json::from_slice::<Errors>(body).map(|body| body.errors).unwrap_or_default();
    let said = match status {
        400 | 404 | 500.. => told.iter().find_map(|text| reason(text)),
        _ => None,
    };
    let (kind, why) = said.unwrap_or_else(|| by_status(status, retry_after));
    KeyError::new(kind, format!("{path}: {why} (status {status})"))
}

/// The error of one item of a batch.
pub(crate) fn item_refusal(path: &str, text: &str) -> KeyError {
    let (kind, why) = reason(text).unwrap_or((KeyErrorKind::Denied, "the request was refused"));
    KeyError::new(kind, format!("{path}: {why}"))
}

fn reason(text: &str) -> Option<(KeyErrorKind, &'static str)> {
    let known = REASONS.iter().find(|(part, _, _)| text.contains(part));
    known.map(|(_, kind, why)| (kind.clone(), *why))
}

/// An answer that is not what the server says to such a request: something stands between, or it
/// is no such server. It says nothing about a message.
pub(crate) fn odd_answer(path: &str, why: &str) -> KeyError {
    KeyError::new(KeyErrorKind::Unavailable, format!("{path}: {why}"))
}

/// No answer at all. The URL is left out of the source: the path is named already.
pub(crate) fn no_answer(path: &str, error: reqwest::Error) -> KeyError {
    let why = match Refusal::of(&error) {
        Some(refusal) => refusal.to_string(),
        None if error.is_timeout() => "no answer in time".to_owned(),
        None if error.is_connect() => "no connection".to_owned(),
        None => "the connection broke".to_owned(),
    };
    let error = error.without_url();
    KeyError::new(KeyErrorKind::Unavailable, format!("{path}: {why}")).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_its_kind() {
        use KeyErrorKind as K;
        let throttled = K::Throttled { retry_after: Some(Duration::from_secs(7)) };
        let table = [
            (400, "cipher: message authentication failed", K::ContextMismatch),
            (400, "encryption key not found", K::KeyNotFound),
            (400, "key not found", K::KeyNotFound),
            (400, "no existing key named x could be found", K::KeyNotFound),
            (400, "error deleting policy x: could not delete key; not found", K::KeyNotFound),
            (
                400,
                "'[0].associated_data' provided for non-AEAD cipher suite ed25519",
                K::KeyNotFound,
            ),
            (400, "refusing to use soft-deleted key", K::Disabled),
            (400, "invalid ciphertext: version is too new", K::WrongKeyVersion),
            (
                400,
                "ciphertext or signature version is disallowed by policy (too old)",
                K::WrongKeyVersion,
            ),
            (400, "invalid ciphertext: no prefix", K::Malformed),
            (400, "missing ciphertext to decrypt", K::Malformed),
            (400, "wrapping token is not valid or does not exist", K::Denied),
            (400, "invalid role or secret ID", K::Denied),
            (400, "invalid username or password", K::Denied),
            (400, "missing 'context' for key derivation", K::Denied),
            (401, "", K::Denied),
            (403, "permission denied", K::Denied),
            (403, "1 error occurred:\n\t* permission denied\n\n", K::Denied),
            (404, "no handler for route \"x/encrypt/y\". route entry not found.", K::Denied),
            (404, "1 error occurred:\n\t* unsupported path\n\n", K::Denied),
            (404, "", K::KeyNotFound),
            (412, "required index state not present", K::Unavailable),
            (413, "", K::Denied),
            (429, "request path \"x\": rate limit quota exceeded", throttled),
            (307, "", K::Unavailable),
            (500, "internal error", K::Unavailable),
            (502, "", K::Unavailable),
            (503, "Vault is sealed", K::Unavailable),
        ];
        for (status, text, kind) in table {
            let body = serde_json::json!({ "errors": [text] }).to_string();
            let error = refusal("transit/x", status, Some(Duration::from_secs(7)), body.as_bytes());
            assert_eq!(error.kind(), &kind, "{status} {text}");
            if status == 400 {
                assert_eq!(item_refusal("transit/x", text).kind(), &kind, "{text}");
            }
        }
    }

    #[test]
    fn nothing_that_the_server_said_is_repeated() {
        let body = br#"{"errors":["X-Vault-Token: s.secret, message authentication failed"]}"#;
        for status in [200, 302, 400, 403, 404, 429, 500, 599] {
            let shown = format!("{:?}", refusal("transit/x", status, None, body));
            assert!(!shown.contains("secret"), "{shown}");
            let shown = format!("{:?}", refusal("transit/x", status, None, b"s.secret <html>"));
            assert!(!shown.contains("secret"), "{shown}");
        }
        assert!(!format!("{:?}", item_refusal("transit/x", "s.secret")).contains("secret"));
    }
}
