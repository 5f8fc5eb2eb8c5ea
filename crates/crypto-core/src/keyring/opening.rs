//! DEKs that open: each wrapped form of a frame looked up, or unwrapped by the one KEK it names.

use std::sync::Arc;

use futures_util::FutureExt;

use super::ring::{Kek, Shared};
use crate::format::WrappedDekRef;
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

impl Shared {
    /// The DEK of a frame: the first of its wrapped forms that one of our KEKs opens.
    pub(super) async fn opening_key(
        self: &Arc<Self>,
        context: &WrapContext,
        suite: Suite,
        wrapped: &[WrappedDekRef<'_>],
    ) -> Result<Arc<MessageKey>, KeyError> {
        let mut failure = None;
        for entry in wrapped {
            // The alias is looked up in our own configuration before anything is called.
            let Some(kek) = self.keks.iter().find(|kek| kek.alias.as_str() == entry.kek_alias)
            else {
                continue;
            };
            match self.unwrap(kek, entry, suite, context).await {
                Ok(dek) => return Ok(Arc::clone(&dek.key)),
                Err(error) => {
                    // An unreachable service outweighs a refusal: the message may yet open.
                    let outweighs = failure.as_ref().is_none_or(|f: &KeyError| !f.is_retryable());
                    if outweighs {
                        failure = Some(error);
                    }
                }
            }
        }
        Err(failure.unwrap_or_else(|| {
            KeyError::new(KeyErrorKind::KeyNotFound, "no configured KEK has an alias of the frame")
        }))
    }

    async fn unwrap(
        self: &Arc<Self>,
        kek: &Arc<Kek>,
        entry: &WrappedDekRef<'_>,
        suite: Suite,
        context: &WrapContext,
    ) -> Result<Arc<OpeningDek>, KeyError> {
        let key = cache_key(kek, entry.wrapped, suite, &self.policy_digest, context);
        let load = || {
            let (shared, kek, context) = (Arc::clone(self), Arc::clone(kek), context.clone());
            let wrapped = entry.wrapped.to_vec();
            async move {
                let dek = {
                    let _place = shared.calls.acquire().await;
                    let call = kek.service.decrypt_dek(&wrapped, &context);
                    shared.around.measured(kek.service.name(), "decrypt_dek", call).await?
                };
                opening_dek(&kek, &dek, wrapped, &context)
            }
            .boxed()
        };
        self.opening.get_or_load(key, load).await
    }
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
