//! What a case holds: a harness and a client.

use std::future::Future;
use std::sync::Arc;

use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, KeyError, KeyErrorKind, KeyProvider};
use tokio::time::timeout;

use super::KeyProviderHarness;
use crate::keys::secrets::{check_hidden, everything};
use crate::outcome::{CaseResult, Stop};

/// The surroundings of one case.
#[derive(Clone)]
pub struct ProviderCtx(Arc<Inner>);

struct Inner {
    harness: Box<dyn KeyProviderHarness>,
    provider: Arc<dyn KeyProvider>,
}

impl ProviderCtx {
    /// Connects to the store.
    pub(crate) async fn connect(harness: Box<dyn KeyProviderHarness>) -> CaseResult<Self> {
        let provider = harness.client().await?;
        Ok(Self(Arc::new(Inner { harness, provider })))
    }

    /// What the backend can be asked for.
    pub fn harness(&self) -> &dyn KeyProviderHarness {
        self.0.harness.as_ref()
    }

    /// The client of the case.
    pub fn provider(&self) -> &Arc<dyn KeyProvider> {
        &self.0.provider
    }

    /// The current key.
    pub async fn current(&self) -> CaseResult<(EncryptionKeyId, Arc<EncryptionKey>)> {
        let id = self.provider().current_key_id().await?;
        let key = self.provider().get_key(&id).await?;
        Ok((id, key))
    }

    /// Every key that the store lists.
    pub async fn keys(&self) -> CaseResult<Vec<Arc<EncryptionKey>>> {
        let mut keys = Vec::new();
        for id in self.provider().valid_key_ids().await? {
            keys.push(self.provider().get_key(&id).await?);
        }
        Ok(keys)
    }

    /// Neither a key of the store nor a secret of the harness stands in what is shown.
    pub async fn check_hidden(&self, what: &str, shown: &[u8]) -> CaseResult {
        let keys = self.keys().await?;
        let keys: Vec<_> = keys.iter().map(|key| key.expose_secret().to_vec()).collect();
        check_hidden(what, shown, &keys)?;
        check_hidden(what, shown, &self.harness().secrets())
    }

    /// The call was refused, for good, because there is no such key; the error shows none.
    pub async fn not_found<T>(&self, what: &str, result: Result<T, KeyError>) -> CaseResult {
        let Err(error) = result else {
            return Err(Stop::broken(format!("this is not found: {what}")));
        };
        check_eq!(error.kind(), &KeyErrorKind::KeyNotFound, "{what} is not found");
        check!(!error.is_retryable(), "{what} is refused for good");
        self.check_hidden("an error", &everything(&error)).await
    }

    /// The outcome of `work`, which must come within the patience of the backend.
    #[track_caller]
    pub fn soon<'a, T>(
        &self,
        what: &'a str,
        work: impl Future<Output = T> + 'a,
    ) -> impl Future<Output = CaseResult<T>> + 'a {
        let patience = self.harness().patience();
        let late = Stop::broken(format!("{what} within {patience:?}"));
        async move { timeout(patience, work).await.map_err(|_| late) }
    }
}
