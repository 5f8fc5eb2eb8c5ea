//! Credentials from a source: taken over as they change, and asked for again when they are refused.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use sealmq_crypto_core::{
    CredentialSource, Credentials, KeyError, KeyErrorKind, KeyManagementService,
};
use sealmq_keys_postgres::{
    MasterKeys, PostgresClient, PostgresConfig, PostgresKeyService, PostgresKeyServiceConfig,
    grants,
};

use crate::support::{Schema, context, kind, master, patient, superuser, tenant, unique, url};

/// Users with the grants of a runtime, made one after another, and each dropped on demand.
struct Users {
    schema: String,
    role: String,
    current: Mutex<Arc<Credentials>>,
    replaced: AtomicUsize,
    has_others: bool,
}

impl Users {
    async fn of(schema: &Schema, has_others: bool) -> Arc<Self> {
        let (runtime, operator) = (unique("runtime"), unique("operator"));
        let sql = format!("CREATE ROLE {runtime} NOLOGIN; CREATE ROLE {operator} NOLOGIN");
        superuser().await.batch_execute(&sql).await.unwrap();
        let sql = grants(&schema.name, &runtime, &operator).unwrap();
        superuser().await.batch_execute(&sql).await.unwrap();
        let first = made(&runtime).await;
        Arc::new(Self {
            schema: schema.name.clone(),
            role: runtime,
            current: Mutex::new(first),
            replaced: AtomicUsize::new(0),
            has_others,
        })
    }

    fn service(self: &Arc<Self>) -> PostgresKeyService {
        let db = PostgresClient::with_credentials(&config(&self.schema), Arc::clone(self) as _);
        over(db.unwrap())
    }

    async fn change(&self) -> Arc<Credentials> {
        let next = made(&self.role).await;
        std::mem::replace(&mut *self.current.lock().unwrap(), next)
    }

    fn user(&self) -> String {
        self.current.lock().unwrap().user().to_owned()
    }
}

#[async_trait]
impl CredentialSource for Users {
    fn current(&self) -> Result<Arc<Credentials>, KeyError> {
        Ok(Arc::clone(&self.current.lock().unwrap()))
    }

    async fn replace(&self, refused: &Arc<Credentials>) -> Result<Arc<Credentials>, KeyError> {
        self.replaced.fetch_add(1, Ordering::Relaxed);
        if !self.has_others {
            return Err(KeyError::new(KeyErrorKind::Unavailable, "the vault is away"));
        }
        let current = self.current()?;
        if Arc::ptr_eq(&current, refused) {
            self.change().await;
        }
        self.current()
    }
}

async fn made(role: &str) -> Arc<Credentials> {
    let user = unique("user");
    let sql = format!("CREATE ROLE {user} LOGIN PASSWORD 'pw' IN ROLE {role}");
    superuser().await.batch_execute(&sql).await.unwrap();
    Arc::new(Credentials::new(user, "pw"))
}

async fn drop_user(user: &str) {
    superuser().await.batch_execute(&format!("DROP ROLE {user}")).await.unwrap();
}

/// The server of the tests, without a user.
fn config(schema: &str) -> PostgresConfig {
    let (_, server) = url().rsplit_once('@').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    patient(PostgresConfig::new(format!("postgres://{server}"))).without_tls().with_schema(schema)
}

fn over(db: PostgresClient) -> PostgresKeyService {
    let config = PostgresKeyServiceConfig::new();
    PostgresKeyService::new(db, MasterKeys::new(master(1)), config).unwrap()
}

#[tokio::test]
async fn what_the_source_has_is_taken_over_without_a_failed_call() {
    let schema = Schema::new().await;
    let users = Users::of(&schema, true).await;
    let (service, acme) = (users.service(), context("acme"));
    let made = service.generate_dek(&acme).await.unwrap();
    for _ in 0..5 {
        let former = users.change().await;
        let calls = (0..10).map(|_| {
            let (service, acme, wrapped) = (service.clone(), acme.clone(), made.wrapped.clone());
            tokio::spawn(async move { service.decrypt_dek(&wrapped, &acme).await.map(drop) })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.unwrap().unwrap();
        }
        let count = "SELECT count(*) FROM pg_stat_activity WHERE usename = ";
        assert!(schema.number(&format!("{count}'{}'", users.user())).await >= 1);
        drop_user(former.user()).await;
    }
    assert_eq!(users.replaced.load(Ordering::Relaxed), 0, "nobody was refused");
}

#[tokio::test]
async fn a_user_that_was_dropped_fails_no_call_where_there_is_another() {
    let schema = Schema::new().await;
    let users = Users::of(&schema, true).await;
    let (service, acme) = (users.service(), context("acme"));
    let made = service.generate_dek(&acme).await.unwrap();

    // The control: as one that nobody replaces, the same user.
    let alone = PostgresClient::new(&config(&schema.name)).unwrap();
    alone.replace_credentials(&users.user(), "pw");
    let alone = over(alone);
    alone.decrypt_dek(&made.wrapped, &acme).await.unwrap();

    drop_user(&users.user()).await;
    let on_the_old_connection = alone.decrypt_dek(&made.wrapped, &acme).await;
    assert_eq!(kind(on_the_old_connection), KeyErrorKind::Denied);
    assert!(service.decrypt_dek(&made.wrapped, &acme).await.unwrap() == made.dek);
    assert_eq!(users.replaced.load(Ordering::Relaxed), 1);
    service.create_kek(&tenant("other")).await.unwrap();

    // Without a connection, it is the login that is refused; in a transaction, the same.
    for what in ["session", "transaction"] {
        let fresh = users.service();
        drop_user(&users.user()).await;
        match what {
            "session" => drop(fresh.decrypt_dek(&made.wrapped, &acme).await.unwrap()),
            _ => drop(fresh.create_kek(&tenant("third")).await.unwrap()),
        }
    }
    drop_user(&users.user()).await;
    service.create_kek(&tenant("fourth")).await.unwrap();
}

#[tokio::test]
async fn twenty_calls_that_meet_a_dropped_user_share_the_next_one() {
    let schema = Schema::new().await;
    let users = Users::of(&schema, true).await;
    let (service, acme) = (users.service(), context("acme"));
    let made = service.generate_dek(&acme).await.unwrap();
    drop_user(&users.user()).await;
    let calls = (0..20).map(|_| {
        let (service, acme, wrapped) = (service.clone(), acme.clone(), made.wrapped.clone());
        tokio::spawn(async move { service.decrypt_dek(&wrapped, &acme).await.map(drop) })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_right_that_is_not_granted_is_no_reason_for_another_user() {
    let schema = Schema::new().await;
    let users = Users::of(&schema, true).await;
    let service = users.service();
    service.generate_dek(&context("acme")).await.unwrap();
    for _ in 0..3 {
        assert_eq!(kind(service.rotate_kek(&tenant("acme")).await), KeyErrorKind::Denied);
    }
    assert_eq!(users.replaced.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn where_there_is_no_other_user_the_source_says_why() {
    let schema = Schema::new().await;
    let users = Users::of(&schema, false).await;
    let service = users.service();
    drop_user(&users.user()).await;
    let refused = service.generate_dek(&context("acme")).await.unwrap_err();
    assert_eq!(refused.kind(), &KeyErrorKind::Unavailable, "the vault may be there soon");
    assert_eq!(users.replaced.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_configuration_with_credentials_of_its_own_is_refused() {
    let schema = Schema::new().await;
    let users = Users::of(&schema, true).await;
    let bare = "postgres://db.example.com/keys";
    let table = [
        (PostgresConfig::new(bare), "fine"),
        (PostgresConfig::new("postgres://orders@db.example.com/keys"), "fine"),
        (PostgresConfig::new("postgres://orders:pw@db.example.com/keys"), "url"),
        (PostgresConfig::new("postgres://db.example.com"), "url"),
        (PostgresConfig::new(bare).with_password_file("/run/password"), "password_file"),
    ];
    for (config, expected) in table {
        let client = PostgresClient::with_credentials(&config, Arc::clone(&users) as _);
        let found = match client.map_err(|error| error.kind().clone()) {
            Ok(_) => "fine",
            Err(KeyErrorKind::InvalidInput { field }) => field,
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(found, expected, "{config:?}");
    }
}
