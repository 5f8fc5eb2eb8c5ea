//! Counts the calls that a role makes to its key service.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use sealmq::{
    EncryptionKey, GeneratedDek, KekVersion, KeyError, KeyManagementService, KmsCapabilities,
    TenantId, WrapContext,
};

/// The service behind it, with each call noted.
pub(super) struct Counting {
    inner: Arc<dyn KeyManagementService>,
    calls: Mutex<BTreeMap<&'static str, usize>>,
}

impl Counting {
    pub(super) fn new(inner: Arc<dyn KeyManagementService>) -> Arc<Self> {
        Arc::new(Self { inner, calls: Mutex::default() })
    }

    /// How often each operation was called.
    pub(super) fn calls(&self) -> BTreeMap<&'static str, usize> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, operation: &'static str) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls.entry(operation).or_default() += 1;
    }
}

#[async_trait]
impl KeyManagementService for Counting {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn capabilities(&self) -> KmsCapabilities {
        self.inner.capabilities()
    }

    fn version_of(&self, wrapped: &[u8]) -> Option<KekVersion> {
        self.inner.version_of(wrapped)
    }

    async fn generate_dek(&self, context: &WrapContext) -> Result<GeneratedDek, KeyError> {
        self.note("generate_dek");
        self.inner.generate_dek(context).await
    }

    async fn encrypt_dek(
        &self,
        dek: &EncryptionKey,
        context: &WrapContext,
    ) -> Result<Vec<u8>, KeyError> {
        self.note("encrypt_dek");
        self.inner.encrypt_dek(dek, context).await
    }

    async fn decrypt_dek(
        &self,
        wrapped: &[u8],
        context: &WrapContext,
    ) -> Result<EncryptionKey, KeyError> {
        self.note("decrypt_dek");
        self.inner.decrypt_dek(wrapped, context).await
    }

    async fn rewrap_dek(&self, wrapped: &[u8], context: &WrapContext) -> Result<Vec<u8>, KeyError> {
        self.note("rewrap_dek");
        self.inner.rewrap_dek(wrapped, context).await
    }

    async fn rotate_kek(&self, tenant: &TenantId) -> Result<KekVersion, KeyError> {
        self.note("rotate_kek");
        self.inner.rotate_kek(tenant).await
    }

    async fn delete_kek(&self, tenant: &TenantId) -> Result<(), KeyError> {
        self.note("delete_kek");
        self.inner.delete_kek(tenant).await
    }
}
