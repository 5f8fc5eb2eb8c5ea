//! DEKs that open: each wrapped form of a frame looked up, or unwrapped by the one KEK it names.

use std::sync::Arc;

use futures_util::FutureExt;

use super::deks::{CacheKey, OpeningDek, cache_key, opening_dek};
use super::kek::Kek;
use super::shared::Shared;
use crate::format::WrappedDekRef;
use crate::keys::{KeyError, KeyErrorKind, WrapContext};
use crate::message_key::MessageKey;
use crate::suite::Suite;

impl Shared {
    /// The DEK of a frame: one that is at hand, or from the first service that unwraps it.
    pub(super) async fn opening_key(
        self: &Arc<Self>,
        context: &WrapContext,
        suite: Suite,
        wrapped: &[WrappedDekRef<'_>],
    ) -> Result<Arc<MessageKey>, KeyError> {
        // The alias is looked up in our own configuration before anything is called.
        let forms = wrapped.iter().filter_map(|entry| {
            let kek = self.keks.iter().find(|kek| kek.alias.as_str() == entry.kek_alias)?;
            Some((kek, entry.wrapped))
        });
        let found_by = |(kek, wrapped): (&Arc<Kek>, &[u8])| {
            cache_key(kek, wrapped, suite, &self.policy_digest, context)
        };
        for form in forms.clone() {
            if let Some(dek) = self.opening.fresh(&found_by(form)) {
                return Ok(Arc::clone(&dek.key));
            }
        }
        let mut forms: Vec<_> = forms.map(|form| (found_by(form), form.0, form.1)).collect();
        let now = self.around.clock.monotonic();
        forms.sort_by_cached_key(|(key, kek, _)| match self.opening.at_hand(key) {
            Some(_) => Turn::AtHand,
            None if kek.is_avoided(now) => Turn::Avoided,
            None => Turn::Asked,
        });
        let mut failure = None;
        for (key, kek, wrapped) in forms {
            match self.unwrap(key, kek, wrapped, context).await {
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
        key: CacheKey,
        kek: &Arc<Kek>,
        wrapped: &[u8],
        context: &WrapContext,
    ) -> Result<Arc<OpeningDek>, KeyError> {
        let load = || {
            let (shared, kek, context) = (Arc::clone(self), Arc::clone(kek), context.clone());
            let wrapped = wrapped.to_vec();
            async move {
                let call = kek.service.decrypt_dek(&wrapped, &context);
                let dek = kek.call(&shared.around, "decrypt_dek", call).await?;
                opening_dek(&kek, &dek, wrapped, &context)
            }
            .boxed()
        };
        self.opening.get_or_load(key, load).await
    }
}

/// When the wrapped form of one service is tried, while others have one of their own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// It costs no waiting for a call.
    AtHand,
    Asked,
    /// The service did not answer a while ago.
    Avoided,
}
