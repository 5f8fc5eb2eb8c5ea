//! Counts the keys that are fetched from a store.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, KeyError, KeyProvider};

/// The store behind it, with each key that is fetched counted.
pub(crate) struct CountingStore {
    inner: Arc<dyn KeyProvider>,
    fetched: AtomicUsize,
}

impl CountingStore {
    pub(crate) fn new(inner: Arc<dyn KeyProvider>) -> Arc<Self> {
        Arc::new(Self { inner, fetched: AtomicUsize::new(0) })
    }

    /// How many keys were fetched.
    pub(crate) fn fetched(&self) -> usize {
        self.fetched.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl KeyProvider for CountingStore {
    async fn get_key(&self, id: &EncryptionKeyId) -> Result<Arc<EncryptionKey>, KeyError> {
        self.fetched.fetch_add(1, Ordering::Relaxed);
        self.inner.get_key(id).await
    }

    async fn current_key_id(&self) -> Result<EncryptionKeyId, KeyError> {
        self.inner.current_key_id().await
    }

    async fn valid_key_ids(&self) -> Result<Vec<EncryptionKeyId>, KeyError> {
        self.inner.valid_key_ids().await
    }

    fn refresh_interval(&self) -> Duration {
        self.inner.refresh_interval()
    }
}
