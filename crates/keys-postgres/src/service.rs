//! The key service over connections of its own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sealmq_crypto_core::{
    EncryptionKey, GeneratedDek, KekVersion, KeyError, KeyManagementService, KmsCapabilities,
    TenantId, WrapContext, random_key,
};

use crate::call::{own_session, own_transaction};
use crate::client::PostgresClient;
use crate::error::{creation_denied, sql};
use crate::keks::{self, Keks};
use crate::master_key::MasterKeys;
use crate::wrap::{Kek, WRAPPED_LEN, WrappedForm};

/// How a [`PostgresKeyService`] treats its tenants.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresKeyServiceConfig {
    pub(crate) auto_create: bool,
    pub(crate) grace_period: Duration,
}

impl PostgresKeyServiceConfig {
    /// First use creates a tenant's first KEK; what is scheduled for deletion is destroyed after
    /// 30 days.
    pub fn new() -> Self {
        Self { auto_create: true, grace_period: Duration::from_secs(30 * 24 * 3600) }
    }

    /// The same, with or without the creation of a tenant's first KEK when it is first used.
    #[must_use]
    pub fn with_auto_create(mut self, auto_create: bool) -> Self {
        self.auto_create = auto_create;
        self
    }

    /// The same, with this time between scheduling a deletion and destroying the key; at most ten
    /// years.
    #[must_use]
    pub fn with_grace_period(mut self, grace_period: Duration) -> Self {
        self.grace_period = grace_period;
        self
    }

    pub(crate) fn validate(&self) -> Result<(), KeyError> {
        if self.grace_period > Duration::from_secs(3650 * 24 * 3600) {
            return Err(KeyError::invalid_input("grace_period", "at most ten years"));
        }
        Ok(())
    }
}

impl Default for PostgresKeyServiceConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// A key service whose KEKs are rows of `kms_keys`, each encrypted under a master key.
///
/// # Contract
/// - That of [`KeyManagementService`], without exceptions. KEKs are not cached: what one client
///   changes, all see with their next call. [`Keyring`](sealmq_crypto_core::Keyring) caches DEKs.
/// - A wrapped DEK has 64 bytes: `key_version u32 BE ‖ nonce 12 ‖ ciphertext 32 ‖ tag 16`,
///   AES-256-GCM under the tenant's KEK. Associated data: a label for this use, the algorithm, the
///   version and [`WrapContext::associated_data`].
/// - A KEK is bound to table, tenant, version, level, algorithms and master key: a row copied over
///   another one is refused. So is one whose master key is not configured, or another one. These
///   are `Denied`: they say nothing about the message that was to be opened.
/// - First keys, rotations and deletions of one tenant happen one after another.
/// - A KEK that is to be deleted is `Disabled`; one that was destroyed is `KeyNotFound`.
/// - Status and times of a row are not authenticated: who may write to the table can make an old
///   version wrap again, or refuse a tenant. Grant that to few.
/// - `delete_kek` destroys at once. Copies in backups and in the server's log stay readable to
///   whoever has those and the master key.
/// - One attempt a call. A call that is dropped or times out is rolled back, unless its commit was
///   under way; its connection is closed.
#[derive(Clone)]
pub struct PostgresKeyService {
    pub(crate) db: PostgresClient,
    pub(crate) keks: Arc<Keks>,
    pub(crate) config: PostgresKeyServiceConfig,
}

impl PostgresKeyService {
    /// A service over these connections. The server is not asked yet; its tables are made by
    /// [`migrate`](crate::migrate).
    ///
    /// # Errors
    /// `InvalidInput` names the field.
    pub fn new(
        db: PostgresClient,
        masters: MasterKeys,
        config: PostgresKeyServiceConfig,
    ) -> Result<Self, KeyError> {
        config.validate()?;
        let (schema, auto_create) = (db.schema().clone(), config.auto_create);
        Ok(Self { db, keks: Arc::new(Keks { masters, schema, auto_create }), config })
    }

    /// Gives a tenant its first KEK, whatever the policy for first use; says which version wraps.
    /// Repeating it is fine.
    ///
    /// # Errors
    /// `KeyNotFound` when the tenant was shredded, `Denied`, `Disabled`: permanent; `Unavailable`,
    /// `Throttled`: retryable.
    pub async fn create_kek(&self, tenant: &TenantId) -> Result<KekVersion, KeyError> {
        let kek =
            own_transaction!(&self.db, "creating a KEK", |tx| self.keks.first_kek_in(tx, tenant));
        kek.map(|kek| KekVersion(kek.version))
    }

    async fn sealing_kek(
        &self,
        operation: &'static str,
        tenant: &TenantId,
    ) -> Result<Kek, KeyError> {
        let keks = &self.keks;
        // The master key may be in another service: no connection is held while it is asked.
        match own_session!(&self.db, operation, |client| keks.sealing_row(client, tenant))? {
            Some(row) => keks.open(tenant, &row).await,
            None if !self.config.auto_create => Err(creation_denied(tenant)),
            None => own_transaction!(&self.db, operation, |tx| keks.first_kek_in(tx, tenant)),
        }
    }

    async fn opening_kek(
        &self,
        operation: &'static str,
        tenant: &TenantId,
        version: u32,
    ) -> Result<Kek, KeyError> {
        let keks = &self.keks;
        let row =
            own_session!(&self.db, operation, |client| keks.opening_row(client, tenant, version))?;
        keks.open(tenant, &row).await
    }
}

#[async_trait]
impl KeyManagementService for PostgresKeyService {
    fn name(&self) -> &str {
        self.db.name()
    }

    fn capabilities(&self) -> KmsCapabilities {
        KmsCapabilities::full(WRAPPED_LEN)
    }

    fn version_of(&self, wrapped: &[u8]) -> Option<KekVersion> {
        WrappedForm::parse(wrapped).ok().map(|form| KekVersion(form.version))
    }

    async fn generate_dek(&self, context: &WrapContext) -> Result<GeneratedDek, KeyError> {
        let kek = self.sealing_kek("generating a DEK", context.tenant()).await?;
        let dek = random_key()?;
        let wrapped = keks::wrap(&kek, &dek, context)?;
        Ok(GeneratedDek { dek, wrapped })
    }

    async fn encrypt_dek(
        &self,
        dek: &EncryptionKey,
        context: &WrapContext,
    ) -> Result<Vec<u8>, KeyError> {
        let kek = self.sealing_kek("wrapping a DEK", context.tenant()).await?;
        keks::wrap(&kek, dek, context)
    }

    async fn decrypt_dek(
        &self,
        wrapped: &[u8],
        context: &WrapContext,
    ) -> Result<EncryptionKey, KeyError> {
        let form = WrappedForm::parse(wrapped)?;
        let kek = self.opening_kek("unwrapping a DEK", context.tenant(), form.version).await?;
        keks::unwrap(&kek, &form, context)
    }

    async fn rewrap_dek(&self, wrapped: &[u8], context: &WrapContext) -> Result<Vec<u8>, KeyError> {
        let (form, operation) = (WrappedForm::parse(wrapped)?, "re-wrapping a DEK");
        let kek = self.opening_kek(operation, context.tenant(), form.version).await?;
        let dek = keks::unwrap(&kek, &form, context)?;
        let kek = self.sealing_kek(operation, context.tenant()).await?;
        keks::wrap(&kek, &dek, context)
    }

    async fn rotate_kek(&self, tenant: &TenantId) -> Result<KekVersion, KeyError> {
        own_transaction!(&self.db, "rotating a KEK", |tx| self.keks.rotate_in(tx, tenant))
    }

    async fn delete_kek(&self, tenant: &TenantId) -> Result<(), KeyError> {
        let operation = "shredding the KEKs of a tenant";
        own_transaction!(&self.db, operation, |tx| self.keks.shred_in(tx, tenant))
    }

    async fn health(&self) -> Result<(), KeyError> {
        own_session!(&self.db, "asking for health", |client| async {
            client.simple_query("").await.map_err(|error| sql("asking for health", error))?;
            Ok(())
        })
    }
}

impl fmt::Debug for PostgresKeyService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresKeyService")
            .field("db", &self.db)
            .field("masters", &self.keks.masters)
            .field("config", &self.config)
            .finish()
    }
}
