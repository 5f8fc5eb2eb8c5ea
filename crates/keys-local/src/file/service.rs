//! The key service of a keyring file.

use async_trait::async_trait;
use sealmq_crypto_core::{
    EncryptionKey, GeneratedDek, KekVersion, KeyError, KeyManagementService, KmsCapabilities,
    TenantId, WrapContext, random_key,
};

use super::FileKeyring;
use crate::error::creation_denied;
use crate::wrap::{Kek, WRAPPED_LEN, WrappedForm};

impl FileKeyring {
    /// Gives a tenant its first KEK, whatever the policy for first use; says which version wraps.
    /// Repeating it is fine.
    ///
    /// # Errors
    /// `KeyNotFound` when the tenant was shredded; else as all calls.
    pub async fn create_kek(&self, tenant: &TenantId) -> Result<KekVersion, KeyError> {
        self.first_kek(tenant).await.map(|kek| KekVersion(kek.version))
    }

    /// Every tenant that has a KEK, with the version that wraps.
    ///
    /// # Errors
    /// As all calls.
    pub async fn tenants(&self) -> Result<Vec<(TenantId, KekVersion)>, KeyError> {
        Ok(self.contents().await?.keks.latest_versions())
    }

    async fn wrapping_kek(&self, tenant: &TenantId) -> Result<Kek, KeyError> {
        match self.contents().await?.keks.latest(tenant)? {
            Some(kek) => Ok(kek),
            None if self.auto_create => self.first_kek(tenant).await,
            None => Err(creation_denied(tenant)),
        }
    }

    async fn first_kek(&self, tenant: &TenantId) -> Result<Kek, KeyError> {
        let tenant = tenant.clone();
        self.update(move |contents| contents.keks.latest_or_first(&tenant)).await
    }
}

#[async_trait]
impl KeyManagementService for FileKeyring {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> KmsCapabilities {
        KmsCapabilities::full(WRAPPED_LEN)
    }

    fn version_of(&self, wrapped: &[u8]) -> Option<KekVersion> {
        WrappedForm::parse(wrapped).ok().map(|form| KekVersion(form.version))
    }

    async fn generate_dek(&self, context: &WrapContext) -> Result<GeneratedDek, KeyError> {
        let kek = self.wrapping_kek(context.tenant()).await?;
        let dek = random_key()?;
        let wrapped = kek.wrap(&dek, context)?;
        Ok(GeneratedDek { dek, wrapped })
    }

    async fn encrypt_dek(
        &self,
        dek: &EncryptionKey,
        context: &WrapContext,
    ) -> Result<Vec<u8>, KeyError> {
        self.wrapping_kek(context.tenant()).await?.wrap(dek, context)
    }

    async fn decrypt_dek(
        &self,
        wrapped: &[u8],
        context: &WrapContext,
    ) -> Result<EncryptionKey, KeyError> {
        self.contents().await?.keks.unwrap(wrapped, context)
    }

    async fn rewrap_dek(&self, wrapped: &[u8], context: &WrapContext) -> Result<Vec<u8>, KeyError> {
        self.contents().await?.keks.rewrap(wrapped, context)
    }

    async fn rotate_kek(&self, tenant: &TenantId) -> Result<KekVersion, KeyError> {
        let (tenant, auto_create) = (tenant.clone(), self.auto_create);
        self.update(move |contents| contents.keks.rotate(&tenant, auto_create)).await
    }

    async fn delete_kek(&self, tenant: &TenantId) -> Result<(), KeyError> {
        let tenant = tenant.clone();
        self.update(move |contents| {
            contents.keks.shred(&tenant);
            Ok(())
        })
        .await
    }
}
