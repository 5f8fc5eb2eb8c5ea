//! A key service in memory.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use sealmq_crypto_core::{
    EncryptionKey, GeneratedDek, KekVersion, KeyError, KeyManagementService, KmsCapabilities,
    TenantId, WrapContext, random_key,
};

use crate::error::creation_denied;
use crate::kek_store::KekStore;
use crate::wrap::{Kek, WRAPPED_LEN, WrappedForm};

/// A key service whose KEKs live in this process and end with it: what it wrapped, nothing opens
/// after a restart.
///
/// # Contract
/// - That of [`KeyManagementService`], without exceptions.
/// - A wrapped DEK has 64 bytes: `key_version u32 BE ‖ nonce 12 ‖ ciphertext 32 ‖ tag 16`,
///   AES-256-GCM under the tenant's KEK. Associated data: a label for this use, the version and
///   [`WrapContext::associated_data`].
/// - Clones share the KEKs.
#[derive(Clone)]
pub struct MemoryKms {
    keks: Arc<RwLock<KekStore>>,
    auto_create: bool,
}

impl MemoryKms {
    /// A service without any tenant yet; each gets its first KEK when it is first used.
    pub fn new() -> Self {
        Self { keks: Arc::default(), auto_create: true }
    }

    /// The same service, with or without creation on first use. Clones made before keep theirs.
    #[must_use]
    pub fn with_auto_create(mut self, auto_create: bool) -> Self {
        self.auto_create = auto_create;
        self
    }

    /// Gives a tenant its first KEK, whatever the policy for first use; says which version wraps.
    /// Repeating it is fine.
    ///
    /// # Errors
    /// `KeyNotFound` when the tenant was shredded; `Unavailable` when the kernel gives no
    /// randomness.
    pub fn create_kek(&self, tenant: &TenantId) -> Result<KekVersion, KeyError> {
        self.write().latest_or_first(tenant).map(|kek| KekVersion(kek.version))
    }

    /// Every tenant that has a KEK, with the version that wraps.
    pub fn tenants(&self) -> Vec<(TenantId, KekVersion)> {
        self.read().latest_versions()
    }

    fn wrapping_kek(&self, tenant: &TenantId) -> Result<Kek, KeyError> {
        let existing = self.read().latest(tenant)?;
        match existing {
            Some(kek) => Ok(kek),
            None if self.auto_create => self.write().latest_or_first(tenant),
            None => Err(creation_denied(tenant)),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, KekStore> {
        self.keks.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, KekStore> {
        self.keks.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl KeyManagementService for MemoryKms {
    fn name(&self) -> &str {
        "memory"
    }

    fn capabilities(&self) -> KmsCapabilities {
        KmsCapabilities::full(WRAPPED_LEN)
    }

    fn version_of(&self, wrapped: &[u8]) -> Option<KekVersion> {
        WrappedForm::parse(wrapped).ok().map(|form| KekVersion(form.version))
    }

    async fn generate_dek(&self, context: &WrapContext) -> Result<GeneratedDek, KeyError> {
        let dek = random_key()?;
        let wrapped = self.wrapping_kek(context.tenant())?.wrap(&dek, context)?;
        Ok(GeneratedDek { dek, wrapped })
    }

    async fn encrypt_dek(
        &self,
        dek: &EncryptionKey,
        context: &WrapContext,
    ) -> Result<Vec<u8>, KeyError> {
        self.wrapping_kek(context.tenant())?.wrap(dek, context)
    }

    async fn decrypt_dek(
        &self,
        wrapped: &[u8],
        context: &WrapContext,
    ) -> Result<EncryptionKey, KeyError> {
        self.read().unwrap(wrapped, context)
    }

    async fn rewrap_dek(&self, wrapped: &[u8], context: &WrapContext) -> Result<Vec<u8>, KeyError> {
        self.read().rewrap(wrapped, context)
    }

    async fn rotate_kek(&self, tenant: &TenantId) -> Result<KekVersion, KeyError> {
        self.write().rotate(tenant, self.auto_create)
    }

    async fn delete_kek(&self, tenant: &TenantId) -> Result<(), KeyError> {
        self.write().shred(tenant);
        Ok(())
    }
}

impl Default for MemoryKms {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryKms")
            .field("tenants", &self.read().latest_versions().len())
            .field("auto_create", &self.auto_create)
            .finish()
    }
}
