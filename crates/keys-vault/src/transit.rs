//! Transit's encrypt and decrypt, always as a batch: one call, with an outcome for each item.

use std::borrow::Cow;

use sealmq_crypto_core::KeyError;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::client::VaultClient;
use crate::error::item_refusal;
use crate::http::{Answer, Request};
use crate::wire::{self, base64_len, decode_secret, push_base64, unreadable};
use crate::wrapped::Ciphertext;

/// Something to encrypt or, as the text of a ciphertext, to decrypt.
pub(crate) struct Item<'a> {
    pub(crate) input: &'a [u8],
    pub(crate) associated_data: &'a [u8],
}

/// One outcome for each item, in their order.
pub(crate) type Outcomes<T> = Vec<Result<T, KeyError>>;

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    batch_results: Vec<BatchResult<'a>>,
}

#[derive(Deserialize)]
struct BatchResult<'a> {
    #[serde(default, borrow)]
    ciphertext: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    plaintext: Option<Cow<'a, str>>,
    #[serde(default)]
    error: Option<String>,
}

/// Encrypts by the latest version of a key, bound to the associated data of each item. The first
/// use of a key creates it, where the policy grants `create`.
///
/// # Errors
/// The refusal of the whole call.
pub(crate) async fn encrypt(
    client: &VaultClient,
    path: String,
    items: &[Item<'_>],
) -> Result<Outcomes<Ciphertext>, KeyError> {
    let body = batch(items, |json, input| push_base64(json, "plaintext", input));
    let answer = call(client, &path, body).await?;
    results(&answer, &path, items.len(), |result| {
        let text = result.ciphertext.as_deref().unwrap_or_default();
        Ciphertext::parse(text.as_bytes()).ok_or_else(|| unreadable(&path))
    })
}

/// Decrypts by the version of a key that each ciphertext names.
///
/// # Errors
/// The refusal of the whole call.
pub(crate) async fn decrypt(
    client: &VaultClient,
    path: String,
    items: &[Item<'_>],
) -> Result<Outcomes<Zeroizing<Vec<u8>>>, KeyError> {
    let body = batch(items, |json, text| {
        // It was parsed before: there is nothing in it to be escaped.
        json.extend_from_slice(b"\"ciphertext\":\"");
        json.extend_from_slice(text);
        json.push(b'"');
    });
    let answer = call(client, &path, body).await?;
    results(&answer, &path, items.len(), |result| {
        let text = result.plaintext.as_deref().ok_or_else(|| unreadable(&path))?;
        decode_secret(text, &path)
    })
}

/// Written by hand into one buffer with room for all of it: one that grew would leave copies of
/// plaintexts behind.
fn batch(items: &[Item<'_>], push: impl Fn(&mut Vec<u8>, &[u8])) -> Zeroizing<Vec<u8>> {
    let size_of = |item: &Item<'_>| {
        64 + base64_len(item.input.len()) + base64_len(item.associated_data.len())
    };
    let size = 64 + items.iter().map(size_of).sum::<usize>();
    let mut json = Zeroizing::new(Vec::with_capacity(size));
    // One bad item must not turn the answer into a refusal; older servers do it all the same.
    json.extend_from_slice(b"{\"partial_failure_response_code\":200,\"batch_input\":[");
    for (at, item) in items.iter().enumerate() {
        json.extend_from_slice(if at == 0 { b"{" } else { b",{" });
        push(&mut json, item.input);
        json.push(b',');
        push_base64(&mut json, "associated_data", item.associated_data);
        json.push(b'}');
    }
    json.extend_from_slice(b"]}");
    debug_assert!(json.len() <= size);
    json
}

async fn call(
    client: &VaultClient,
    path: &str,
    body: Zeroizing<Vec<u8>>,
) -> Result<Answer, KeyError> {
    let answer = client.ask(&Request::post(path, body)).await?;
    let of_items = answer.status == 400 && wire::data::<Batch<'_>>(&answer, path).is_ok();
    if of_items { Ok(answer) } else { answer.success(path) }
}

fn results<'a, T>(
    answer: &'a Answer,
    path: &str,
    expected: usize,
    take: impl Fn(&BatchResult<'a>) -> Result<T, KeyError>,
) -> Result<Outcomes<T>, KeyError> {
    let batch: Batch<'a> = wire::data(answer, path)?;
    if batch.batch_results.len() != expected {
        return Err(unreadable(path));
    }
    let outcome = |result: &BatchResult<'a>| match &result.error {
        // Failed items carry an empty plaintext besides: the error comes first.
        Some(text) if !text.is_empty() => Err(item_refusal(path, text)),
        _ => take(result),
    };
    Ok(batch.batch_results.iter().map(outcome).collect())
}
