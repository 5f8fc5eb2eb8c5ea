//! What the tests share: a schema of their own, the superuser, keys.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sealmq_crypto_core::{
    EncryptionKey, EncryptionKeyId, KeyError, KeyErrorKind, TenantId, WrapContext,
};
use sealmq_keys_postgres::{
    MasterKey, MasterKeys, PostgresClient, PostgresConfig, PostgresKeyService,
    PostgresKeyServiceConfig, migrate,
};
use sealmq_test_kit::required;
use tokio_postgres::{Client, NoTls};

pub(crate) fn url() -> String {
    required("SEALMQ_POSTGRES_URL")
}

/// A name that no other test has, of a-z, 0-9 and _.
pub(crate) fn unique(what: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{what}_{:x}_{now:x}_{count}", std::process::id())
}

pub(crate) fn config(schema: &str) -> PostgresConfig {
    patient(PostgresConfig::new(url())).without_tls().with_schema(schema)
}

/// However busy the machine is: SCRAM takes its time in a build that is not optimized.
pub(crate) fn patient(config: PostgresConfig) -> PostgresConfig {
    let patience = Duration::from_secs(60);
    let config = config.with_connect_timeout(patience).with_statement_timeout(patience);
    config.with_request_timeout(patience * 2)
}

/// A schema of one test, migrated.
pub(crate) struct Schema {
    pub(crate) name: String,
    pub(crate) db: PostgresClient,
}

impl Schema {
    pub(crate) async fn new() -> Self {
        let name = unique("test");
        let db = PostgresClient::new(&config(&name)).unwrap();
        migrate(&db).await.unwrap();
        Self { name, db }
    }

    /// A service on the schema, under the master key of this number.
    pub(crate) fn service(&self, master: u8) -> PostgresKeyService {
        self.service_under(MasterKeys::new(self::master(master)))
    }

    pub(crate) fn service_under(&self, masters: MasterKeys) -> PostgresKeyService {
        let config = PostgresKeyServiceConfig::new();
        PostgresKeyService::new(self.db.clone(), masters, config).unwrap()
    }

    /// Runs SQL as the superuser; `TABLES.` is the schema.
    pub(crate) async fn run(&self, sql: &str) {
        superuser().await.batch_execute(&self.sql(sql)).await.unwrap();
    }

    /// One number, asked for as the superuser.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        superuser().await.query_one(&self.sql(sql), &[]).await.unwrap().get(0)
    }

    pub(crate) fn sql(&self, sql: &str) -> String {
        sql.replace("TABLES.", &format!("{}.", self.name))
    }
}

/// A connection of the superuser's.
pub(crate) async fn superuser() -> Client {
    connect(&url()).await
}

pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// The master key of this number.
pub(crate) fn master(n: u8) -> MasterKey {
    MasterKey::new(
        EncryptionKeyId::new(&format!("master-{n}")).unwrap(),
        EncryptionKey::from_slice(&[n; 32]).unwrap(),
    )
}

pub(crate) fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

pub(crate) fn context(tenant: &str) -> WrapContext {
    WrapContext::new(Some("test"), self::tenant(tenant), "orders")
}

#[track_caller]
pub(crate) fn kind<T>(result: Result<T, KeyError>) -> KeyErrorKind {
    result.map(drop).unwrap_err().kind().clone()
}
