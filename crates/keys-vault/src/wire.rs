//! JSON of requests and answers. Secrets are borrowed from the answer, which is wiped.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealmq_crypto_core::KeyError;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::odd_answer;
use crate::http::Answer;

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

/// The `data` of an answer.
///
/// # Errors
/// `Unavailable` when it is not of the form that the server uses: see [`odd_answer`]. The parser's
/// own error is left out, since it quotes.
pub(crate) fn data<'a, T: Deserialize<'a>>(answer: &'a Answer, path: &str) -> Result<T, KeyError> {
    let parsed: Result<Data<T>, _> = serde_json::from_slice(&answer.body);
    parsed.map(|parsed| parsed.data).map_err(|_| unreadable(path))
}

#[derive(Deserialize)]
struct Granting<'a> {
    #[serde(borrow)]
    auth: Auth<'a>,
}

/// A token that was granted or renewed.
#[derive(Deserialize)]
pub(crate) struct Auth<'a> {
    #[serde(borrow)]
    pub(crate) client_token: Cow<'a, str>,
    #[serde(default)]
    pub(crate) lease_duration: u64,
    #[serde(default)]
    pub(crate) renewable: bool,
    #[serde(default)]
    pub(crate) token_type: String,
}

/// The `auth` of an answer.
///
/// # Errors
/// `Unavailable` when it is not of the form that the server uses.
pub(crate) fn auth<'a>(answer: &'a Answer, path: &str) -> Result<Auth<'a>, KeyError> {
    let parsed: Result<Granting<'a>, _> = serde_json::from_slice(&answer.body);
    parsed.map(|parsed| parsed.auth).map_err(|_| unreadable(path))
}

/// A lease that was granted or renewed.
#[derive(Deserialize)]
pub(crate) struct Leasing<T> {
    pub(crate) lease_id: String,
    pub(crate) lease_duration: u64,
    #[serde(default)]
    pub(crate) renewable: bool,
    pub(crate) data: T,
}

/// The lease of an answer, and its `data`.
///
/// # Errors
/// `Unavailable` when it is not of the form that the server uses.
pub(crate) fn lease<'a, T: Deserialize<'a>>(
    answer: &'a Answer,
    path: &str,
) -> Result<Leasing<T>, KeyError> {
    serde_json::from_slice(&answer.body).map_err(|_| unreadable(path))
}

pub(crate) fn unreadable(path: &str) -> KeyError {
    odd_answer(path, "the answer is not of the form that this server uses")
}

/// A body of a request, in a buffer that is wiped.
pub(crate) fn body(value: &impl Serialize) -> Zeroizing<Vec<u8>> {
    // Large enough for any login: a buffer that grew would leave copies of a credential behind.
    let mut buffer = Zeroizing::new(Vec::with_capacity(16 * 1024));
    // Writing strings into a vector does not fail.
    let written = serde_json::to_writer(&mut *buffer, value);
    debug_assert!(written.is_ok());
    buffer
}

/// Appends `"name":"<base64>"`.
pub(crate) fn push_base64(json: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    json.extend_from_slice(format!("\"{name}\":\"").as_bytes());
    let start = json.len();
    json.resize(start + base64_len(bytes.len()), 0);
    let written = STANDARD.encode_slice(bytes, &mut json[start..]);
    debug_assert!(written.is_ok());
    json.push(b'"');
}

pub(crate) fn base64_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// Bytes from base64, in a buffer that is wiped.
///
/// # Errors
/// `Unavailable` when it is no base64.
pub(crate) fn decode_secret(text: &str, path: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let mut bytes = Zeroizing::new(vec![0; text.len().div_ceil(4) * 3]);
    let decoded = STANDARD.decode_slice(text, &mut bytes).map_err(|_| unreadable(path))?;
    bytes.truncate(decoded);
    Ok(bytes)
}
