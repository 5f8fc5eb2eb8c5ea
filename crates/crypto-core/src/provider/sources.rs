//! What a provider asks of its sources of keys besides keys: whether they are well, and to end.

use std::sync::Arc;

use futures_util::future::join;

use super::AesGcmCryptoProvider;
use super::sealing::sealing_error;
use crate::context::ContextScope;
use crate::error::CryptoError;
use crate::keys::{KeyError, KeyErrorKind};
use crate::probe;

impl AesGcmCryptoProvider {
    /// Gets keys as for a message, without a cache, and seals and opens with them.
    pub(super) async fn test_sources(&self, scope: &Arc<ContextScope>) -> Result<(), CryptoError> {
        let context = probe::context(scope)?;
        let keys = match (&self.keyring, &self.named) {
            (Some(keyring), _) => {
                let wrap_context = scope.wrap_context().map_err(sealing_error)?;
                keyring.round_trip(wrap_context).await
            }
            (None, Some(named)) => named.read_current().await.map(|key| vec![key]),
            (None, None) => Err(KeyError::new(KeyErrorKind::KeyNotFound, "no key source")),
        };
        let keys = keys.map_err(sealing_error)?;
        let Some(sealing) = keys.first() else { return Err(CryptoError::authentication_failed()) };
        let now_ms = self.clock.unix_ms();
        let frame = sealing.seal(self.suite, self.backend, probe::BODY, &context, now_ms)?;
        keys.iter().try_for_each(|key| {
            probe::check(key.open_in_place(self.backend, &mut frame.clone(), &context)?)
        })
    }

    pub(super) async fn health_of_sources(&self) -> Result<(), CryptoError> {
        let keyring = async {
            match &self.keyring {
                Some(keyring) => keyring.health().await,
                None => Ok(()),
            }
        };
        let named = async {
            match &self.named {
                Some(named) => named.health().await,
                None => Ok(()),
            }
        };
        let (keyring, named) = join(keyring, named).await;
        keyring.and(named).map_err(CryptoError::unavailable)
    }

    pub(super) async fn any_of_sources_answers(&self) -> bool {
        let keyring = async {
            match &self.keyring {
                Some(keyring) => keyring.any_service_answers().await,
                None => false,
            }
        };
        let named = async {
            match &self.named {
                Some(named) => named.health().await.is_ok(),
                None => false,
            }
        };
        let (keyring, named) = join(keyring, named).await;
        keyring || named
    }

    pub(super) async fn close_sources(&self) -> Result<(), CryptoError> {
        let keyring = match &self.keyring {
            Some(keyring) => keyring.close().await,
            None => Ok(()),
        };
        let named = match &self.named {
            Some(named) => named.close().await,
            None => Ok(()),
        };
        keyring.and(named).map_err(CryptoError::unavailable)
    }
}
