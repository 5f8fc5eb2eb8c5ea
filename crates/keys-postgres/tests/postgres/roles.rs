//! Least privilege: what each role can do with the grants as they are given out, and cannot.

use sealmq_crypto_core::{KeyErrorKind, KeyManagementService, KeyProvider, ReplayGuard};
use sealmq_keys_postgres::{
    MasterKeys, PostgresClient, PostgresDekStore, PostgresKeyService, PostgresKeyServiceConfig,
    PostgresReplayGuard, RewrapOptions, grants, migrate,
};

use crate::replay::{HOUR, by, nonce};
use crate::support::{config, context, kind, master, superuser, tenant, unique, url};

/// A schema with the three roles of the documentation, each as a user of its own.
struct Roles {
    schema: String,
    runtime: PostgresClient,
    operator: PostgresClient,
    migrator: PostgresClient,
    runtime_url: String,
}

impl Roles {
    async fn new() -> Self {
        let schema = unique("roles");
        let role = |what: &str| format!("{schema}_{what}");
        let (runtime, operator, migrator) = (role("run"), role("op"), role("mig"));
        let admin = superuser().await;
        for role in [&runtime, &operator, &migrator] {
            let sql = format!("CREATE ROLE {role} LOGIN PASSWORD 'pw' NOSUPERUSER NOCREATEDB");
            admin.batch_execute(&sql).await.unwrap();
        }
        // The migrator owns the schema, and may create none.
        let sql = format!("CREATE SCHEMA {schema} AUTHORIZATION {migrator}");
        admin.batch_execute(&sql).await.unwrap();
        let client = |user: &str| {
            let client = PostgresClient::new(&config(&schema)).unwrap();
            client.replace_credentials(user, "pw");
            client
        };
        let (_, host) = url().rsplit_once('@').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let roles = Self {
            runtime: client(&runtime),
            operator: client(&operator),
            migrator: client(&migrator),
            runtime_url: format!("postgres://{runtime}:pw@{host}"),
            schema,
        };
        migrate(&roles.migrator).await.unwrap();
        let sql = grants(&roles.schema, &runtime, &operator).unwrap();
        let sql = format!("SET ROLE {migrator}; {sql}");
        admin.batch_execute(&sql).await.unwrap();
        roles
    }

    fn service(&self, db: &PostgresClient, masters: MasterKeys) -> PostgresKeyService {
        PostgresKeyService::new(db.clone(), masters, PostgresKeyServiceConfig::new()).unwrap()
    }
}

#[tokio::test]
async fn run_time_wraps_and_unwraps_and_neither_rotates_nor_shreds() {
    let roles = Roles::new().await;
    let masters = || MasterKeys::new(master(1));
    let (service, acme) = (roles.service(&roles.runtime, masters()), context("acme"));
    let made = service.generate_dek(&acme).await.unwrap();
    assert!(service.decrypt_dek(&made.wrapped, &acme).await.unwrap() == made.dek);
    service.rewrap_dek(&made.wrapped, &acme).await.unwrap();
    let ring =
        || PostgresDekStore::new(roles.service(&roles.operator, masters()), tenant("acme"), "r");
    let id = ring().unwrap().rotate().await.unwrap();
    let store = PostgresDekStore::new(service.clone(), tenant("acme"), "r").unwrap();
    store.get_key(&id).await.unwrap();
    let guard = PostgresReplayGuard::new(roles.runtime.clone(), "orders").unwrap();
    let _ = guard.reserve(&nonce(1), &by("a"), HOUR, HOUR).await.unwrap();
    guard.commit(&nonce(1), &by("a")).await.unwrap();
    guard.collect_expired(10).await.unwrap();

    let (acme, one) = (tenant("acme"), sealmq_crypto_core::KekVersion(1));
    let denied = [
        kind(service.rotate_kek(&acme).await),
        kind(service.delete_kek(&acme).await),
        kind(service.schedule_tenant_deletion(&acme).await),
        kind(service.cancel_deletion(&acme).await),
        kind(service.destroy_expired().await),
        kind(service.rewrap_keks(&RewrapOptions::new(), |_| ()).await),
        kind(service.rewrap_stored_deks(&acme, &RewrapOptions::new(), |_| ()).await),
        kind(store.rotate().await),
        kind(store.retire(&id).await),
    ];
    for kind in denied {
        assert_eq!(kind, KeyErrorKind::Denied);
    }
    assert_eq!(
        kind(service.schedule_deletion(&acme, one).await),
        KeyErrorKind::InvalidInput { field: "version" } // it is the active one
    );
    // Not by hand either.
    let client = crate::support::connect(&roles.runtime_url).await;
    for sql in [
        "DELETE FROM S.kms_keys",
        "UPDATE S.kms_keys SET status = 'active'",
        "TRUNCATE S.kms_keys",
        "DROP TABLE S.kms_keys",
        "CREATE TABLE S.mine (n int)",
        "DELETE FROM S.kms_deks",
        "INSERT INTO S.kms_deks SELECT * FROM S.kms_deks",
        "SELECT * FROM S.re_encryption_jobs",
        "ALTER TABLE S.kms_keys DISABLE TRIGGER ALL",
        "DELETE FROM S.schema_migrations",
    ] {
        let error = client.batch_execute(&sql.replace("S.", &format!("{}.", roles.schema))).await;
        assert_eq!(error.unwrap_err().code().unwrap().code(), "42501", "{sql}");
    }
}

#[tokio::test]
async fn the_operator_rotates_rewraps_and_shreds_and_changes_no_table() {
    let roles = Roles::new().await;
    let both = MasterKeys::new(master(2)).with_earlier(master(1)).unwrap();
    let first = roles.service(&roles.operator, MasterKeys::new(master(1)));
    let (acme, acme_context) = (tenant("acme"), context("acme"));
    first.create_kek(&acme).await.unwrap();
    let made = first.generate_dek(&acme_context).await.unwrap();
    let service = roles.service(&roles.operator, both);
    let store = PostgresDekStore::new(service.clone(), acme.clone(), "r").unwrap();
    let id = store.rotate().await.unwrap();
    service.rotate_kek(&acme).await.unwrap();
    service.rewrap_keks(&RewrapOptions::new(), |_| ()).await.unwrap();
    service.rewrap_stored_deks(&acme, &RewrapOptions::new(), |_| ()).await.unwrap();
    assert!(service.decrypt_dek(&made.wrapped, &acme_context).await.unwrap() == made.dek);
    store.rotate().await.unwrap();
    store.retire(&id).await.unwrap();
    service.schedule_deletion(&acme, sealmq_crypto_core::KekVersion(1)).await.unwrap();
    service.cancel_deletion(&acme).await.unwrap();
    service.destroy_expired().await.unwrap();
    service.delete_kek(&acme).await.unwrap();
    service.tenants(None, 10).await.unwrap();
    let guard = PostgresReplayGuard::new(roles.operator.clone(), "orders").unwrap();
    assert!(guard.commit(&nonce(1), &by("a")).await.is_err());
    let user = format!("{}_op", roles.schema);
    let client = crate::support::connect(
        &roles.runtime_url.replace(&format!("{}_run", roles.schema), &user),
    )
    .await;
    for sql in [
        "DELETE FROM S.kms_keys",
        "TRUNCATE S.kms_keys",
        "DROP TABLE S.kms_keys",
        "CREATE TABLE S.mine (n int)",
        "ALTER TABLE S.kms_keys ADD mine int",
        "DELETE FROM S.re_encryption_jobs",
        "SELECT * FROM S.replay_nonces",
    ] {
        let error = client.batch_execute(&sql.replace("S.", &format!("{}.", roles.schema))).await;
        assert_eq!(error.unwrap_err().code().unwrap().code(), "42501", "{sql}");
    }
}

#[tokio::test]
async fn the_migrator_migrates_again_and_others_may_not() {
    let roles = Roles::new().await;
    let version = migrate(&roles.migrator).await.unwrap();
    for db in [&roles.runtime, &roles.operator] {
        assert_eq!(sealmq_keys_postgres::schema_version(db).await.unwrap(), version);
        assert_eq!(kind(migrate(db).await), KeyErrorKind::Denied);
    }
}

/// Without the right to insert, first use is denied with the reason, and the operator creates it.
#[tokio::test]
async fn a_runtime_that_may_create_nothing_is_denied_the_first_use() {
    let roles = Roles::new().await;
    let sql = format!("REVOKE INSERT ON {0}.kms_keys FROM {0}_run", roles.schema);
    superuser().await.batch_execute(&sql).await.unwrap();
    let masters = || MasterKeys::new(master(1));
    let service = roles.service(&roles.runtime, masters());
    let error = service.generate_dek(&context("acme")).await.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::Denied);
    roles.service(&roles.operator, masters()).create_kek(&tenant("acme")).await.unwrap();
    service.generate_dek(&context("acme")).await.unwrap();
}
