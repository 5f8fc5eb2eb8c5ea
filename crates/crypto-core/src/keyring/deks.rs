//! DEKs as a keyring has them: wrapped by each KEK, found in the cache, ready to seal and to open.

use std::sync::Arc;

use super::kek::Kek;
use crate::keys::{KeyError, KeyErrorKind, WrapContext, WrappedDek};
use crate::message_key::MessageKey;
use crate::primitives::Sha256;
use crate::secret::EncryptionKey;
use crate::suite::Suite;

/// What a cached DEK is found by.
pub(super) type CacheKey = [u8; 32];

/// A DEK that opens, with the KEK it came from.
pub(super) struct OpeningDek {
    pub(super) key: Arc<MessageKey>,
    pub(super) kek_alias: Box<str>,
    pub(super) tenant: Box<str>,
}

/// Everything that decided whether the DEK may be used is part of what it is found by: a DEK
/// that one service, suite or scope admitted never serves another (CVE-2026-6550).
pub(super) fn cache_key(
    kek: &Kek,
    wrapped: &[u8],
    suite: Suite,
    policy: &[u8; 32],
    context: &WrapContext,
) -> CacheKey {
    let mut hasher = Sha256::new_with_prefix(b"QRE1/dek-cache");
    let associated_data = context.associated_data();
    let parts: [&[u8]; 6] = [
        kek.service.name().as_bytes(),
        kek.alias.as_str().as_bytes(),
        wrapped,
        &[suite.id()],
        policy,
        &associated_data,
    ];
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize()
}

/// A DEK ready to open what was sealed under this wrapped form of it.
pub(super) fn opening_dek(
    kek: &Kek,
    dek: &EncryptionKey,
    wrapped: Vec<u8>,
    context: &WrapContext,
) -> Result<Arc<OpeningDek>, KeyError> {
    let malformed = |error| KeyError::new(KeyErrorKind::Malformed, "DEK").with_source(error);
    let wrapped = WrappedDek::new(kek.alias.clone(), wrapped).map_err(malformed)?;
    let key = Arc::new(MessageKey::wrapped(dek, &[wrapped]).map_err(malformed)?);
    let (kek_alias, tenant) = (kek.alias.as_str().into(), context.tenant().as_str().into());
    Ok(Arc::new(OpeningDek { key, kek_alias, tenant }))
}

/// A DEK, and what each KEK made of it.
pub(super) struct Wrapped {
    pub(super) dek: EncryptionKey,
    pub(super) forms: Vec<(Arc<Kek>, Vec<u8>)>,
}

/// The key whose frames carry these forms.
pub(super) fn message_key(
    dek: &EncryptionKey,
    forms: &[(Arc<Kek>, Vec<u8>)],
) -> Result<MessageKey, KeyError> {
    let malformed =
        |error| KeyError::new(KeyErrorKind::Malformed, "wrapped DEK").with_source(error);
    let forms = forms
        .iter()
        .map(|(kek, bytes)| WrappedDek::new(kek.alias.clone(), bytes.clone()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(malformed)?;
    MessageKey::wrapped(dek, &forms).map_err(malformed)
}
