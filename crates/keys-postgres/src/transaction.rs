//! The key service in a transaction of the caller's.

use async_trait::async_trait;
use sealmq_crypto_core::{
    EncryptionKey, GeneratedDek, KekVersion, KeyError, KeyManagementService, KmsCapabilities,
    TenantId, WrapContext, random_key,
};
use tokio_postgres::Transaction;

use crate::keks;
use crate::service::PostgresKeyService;
use crate::wrap::{Kek, WrappedForm};

/// A [`PostgresKeyService`] in one transaction, made by
/// [`PostgresKeyService::in_transaction`].
///
/// # Contract
/// - Nothing is there before the caller commits, and a rollback leaves nothing.
/// - A first use, a rotation or a deletion makes others who change the same tenant wait until the
///   caller's transaction ends.
/// - As with any statement, an error of the server spoils the transaction: roll it back.
pub struct KeysInTransaction<'a> {
    service: &'a PostgresKeyService,
    tx: &'a Transaction<'a>,
}

impl PostgresKeyService {
    /// The same service in a transaction of the caller's: what it does there, a rollback undoes.
    ///
    /// The transaction's connection has to lead to the same database. At `READ COMMITTED`, the
    /// default of PostgreSQL, it sees what others commit meanwhile; above that, a first use or a
    /// rotation at the same time fails one of the transactions with a retryable error.
    pub fn in_transaction<'a>(&'a self, tx: &'a Transaction<'a>) -> KeysInTransaction<'a> {
        KeysInTransaction { service: self, tx }
    }
}

impl KeysInTransaction<'_> {
    async fn sealing_kek(&self, tenant: &TenantId) -> Result<Kek, KeyError> {
        self.service.keks.sealing_kek_in(self.tx, tenant).await
    }

    async fn opening_kek(&self, tenant: &TenantId, version: u32) -> Result<Kek, KeyError> {
        let keks = &self.service.keks;
        let row = keks.opening_row(self.tx, tenant, version).await?;
        keks.open(tenant, &row).await
    }
}

#[async_trait]
impl KeyManagementService for KeysInTransaction<'_> {
    fn name(&self) -> &str {
        self.service.name()
    }

    fn capabilities(&self) -> KmsCapabilities {
        self.service.capabilities()
    }

    fn version_of(&self, wrapped: &[u8]) -> Option<KekVersion> {
        self.service.version_of(wrapped)
    }

    async fn generate_dek(&self, context: &WrapContext) -> Result<GeneratedDek, KeyError> {
        let kek = self.sealing_kek(context.tenant()).await?;
        let dek = random_key()?;
        let wrapped = keks::wrap(&kek, &dek, context)?;
        Ok(GeneratedDek { dek, wrapped })
    }

    async fn encrypt_dek(
        &self,
        dek: &EncryptionKey,
        context: &WrapContext,
    ) -> Result<Vec<u8>, KeyError> {
        keks::wrap(&self.sealing_kek(context.tenant()).await?, dek, context)
    }

    async fn decrypt_dek(
        &self,
        wrapped: &[u8],
        context: &WrapContext,
    ) -> Result<EncryptionKey, KeyError> {
        let form = WrappedForm::parse(wrapped)?;
        let kek = self.opening_kek(context.tenant(), form.version).await?;
        keks::unwrap(&kek, &form, context)
    }

    async fn rewrap_dek(&self, wrapped: &[u8], context: &WrapContext) -> Result<Vec<u8>, KeyError> {
        let dek = self.decrypt_dek(wrapped, context).await?;
        self.encrypt_dek(&dek, context).await
    }

    async fn rotate_kek(&self, tenant: &TenantId) -> Result<KekVersion, KeyError> {
        self.service.keks.rotate_in(self.tx, tenant).await
    }

    async fn delete_kek(&self, tenant: &TenantId) -> Result<(), KeyError> {
        self.service.keks.shred_in(self.tx, tenant).await
    }
}
