//! Keys in PostgreSQL under test: the key service and the store of DEKs.
//!
//! The schemas of the cases stay: the server ends with the run.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sealmq_crypto_core::{
    EncryptionKey, EncryptionKeyId, KeyErrorKind, KeyManagementService, KeyProvider, TenantId,
};
use sealmq_keys_postgres::{
    MasterKey, MasterKeys, PostgresClient, PostgresConfig, PostgresDekStore, PostgresKeyService,
    PostgresKeyServiceConfig, migrate,
};
use sealmq_test_kit::{free_port, required};
use uuid::Uuid;

use crate::keys::kms::{BadForm, KmsBackend, KmsHarness};
use crate::keys::provider::{KeyProviderBackend, KeyProviderHarness};
use crate::outcome::CaseResult;

/// [`PostgresKeyService`]; every case has a schema of its own.
pub struct PostgresKeyServiceBackend;

/// [`PostgresDekStore`]; every case has a schema of its own.
pub struct PostgresDekStoreBackend;

/// A schema with its master key.
struct Place {
    schema: String,
    master: EncryptionKey,
}

impl Place {
    async fn new() -> CaseResult<Self> {
        let schema = format!("contract_{}", Uuid::now_v7().simple());
        let place = Self { schema, master: EncryptionKey::generate()? };
        migrate(&place.connect()?).await?;
        Ok(place)
    }

    fn config(&self) -> PostgresConfig {
        // A busy machine takes its time for SCRAM in a build that is not optimized.
        let config = PostgresConfig::new(required("SEALMQ_POSTGRES_URL"))
            .with_connect_timeout(Duration::from_secs(20))
            .with_statement_timeout(Duration::from_secs(20))
            .with_request_timeout(Duration::from_secs(25));
        config.without_tls().with_schema(&self.schema)
    }

    fn connect(&self) -> CaseResult<PostgresClient> {
        Ok(PostgresClient::new(&self.config())?)
    }

    /// A service with connections of its own.
    fn service(&self, auto_create: bool) -> CaseResult<PostgresKeyService> {
        self.service_on(self.connect()?, auto_create)
    }

    fn service_on(&self, db: PostgresClient, auto_create: bool) -> CaseResult<PostgresKeyService> {
        let key = EncryptionKey::from_slice(self.master.expose_secret())?;
        let masters = MasterKeys::new(MasterKey::new(EncryptionKeyId::new("master-1")?, key));
        let config = PostgresKeyServiceConfig::new().with_auto_create(auto_create);
        Ok(PostgresKeyService::new(db, masters, config)?)
    }

    fn secrets(&self) -> Vec<Vec<u8>> {
        let url = required("SEALMQ_POSTGRES_URL");
        let password = url.split(['@', ':', '/']).nth(4).unwrap_or_default();
        assert!(!password.is_empty(), "SEALMQ_POSTGRES_URL has a password");
        vec![password.into(), self.master.expose_secret().to_vec()]
    }
}

#[async_trait]
impl KmsBackend for PostgresKeyServiceBackend {
    fn name(&self) -> &'static str {
        "postgres-kms"
    }

    async fn harness(&self) -> CaseResult<Box<dyn KmsHarness>> {
        Ok(Box::new(KmsPlaces { own: Place::new().await?, strange: Place::new().await? }))
    }
}

struct KmsPlaces {
    own: Place,
    strange: Place,
}

#[async_trait]
impl KmsHarness for KmsPlaces {
    async fn client(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Ok(Arc::new(self.own.service(true)?))
    }

    async fn stranger(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Ok(Arc::new(self.strange.service(true)?))
    }

    async fn client_that_creates_nothing(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Ok(Arc::new(self.own.service(false)?))
    }

    async fn client_of_a_service_that_is_down(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        let nowhere = format!("postgres://nobody@127.0.0.1:{}/none", free_port());
        let db = PostgresClient::new(&PostgresConfig::new(nowhere).without_tls())?;
        Ok(Arc::new(self.own.service_on(db, true)?))
    }

    /// All bad forms are told apart: the version stands first, all that follows is authenticated.
    fn refusals_of(&self, form: BadForm) -> Vec<KeyErrorKind> {
        match form {
            BadForm::Changed { at: 0..4, .. } => vec![KeyErrorKind::WrongKeyVersion],
            BadForm::Changed { .. } => vec![KeyErrorKind::ContextMismatch],
            other => other.usual_refusals(),
        }
    }

    fn shows(&self) -> Vec<String> {
        let config = self.own.config();
        vec![format!("{:?}", self.own.service(true).ok()), format!("{config:?}")]
    }

    fn secrets(&self) -> Vec<Vec<u8>> {
        self.own.secrets()
    }
}

#[async_trait]
impl KeyProviderBackend for PostgresDekStoreBackend {
    fn name(&self) -> &'static str {
        "postgres-deks"
    }

    async fn harness(&self) -> CaseResult<Box<dyn KeyProviderHarness>> {
        let place = Place::new().await?;
        let store = store(&place)?;
        store.rotate().await?;
        Ok(Box::new(DekPlace { place, store }))
    }
}

struct DekPlace {
    place: Place,
    store: PostgresDekStore,
}

fn store(place: &Place) -> CaseResult<PostgresDekStore> {
    Ok(PostgresDekStore::new(place.service(true)?, TenantId::new("contract")?, "orders")?)
}

#[async_trait]
impl KeyProviderHarness for DekPlace {
    async fn client(&self) -> CaseResult<Arc<dyn KeyProvider>> {
        Ok(Arc::new(store(&self.place)?))
    }

    async fn rotate(&self) -> CaseResult<EncryptionKeyId> {
        Ok(self.store.rotate().await?)
    }

    async fn retire(&self, id: &EncryptionKeyId) -> CaseResult {
        Ok(self.store.retire(id).await?)
    }

    fn shows(&self) -> Vec<String> {
        vec![format!("{:?}", self.store), format!("{:?}", self.place.config())]
    }

    fn secrets(&self) -> Vec<Vec<u8>> {
        self.place.secrets()
    }
}
