//! Connections that break, fall silent, run out, and change their user.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sealmq_crypto_core::{
    AesGcmCryptoProvider, ContextScope, CryptoProvider, EncryptionContext, KekAlias, KeyErrorKind,
    KeyManagementService, Keyring, ReplayGuard,
};
use sealmq_keys_postgres::{
    MasterKeys, PostgresClient, PostgresConfig, PostgresKeyService, PostgresKeyServiceConfig,
    PostgresReplayGuard, migrate,
};
use sealmq_test_kit::{PostgresServer, TcpProxy, free_port};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::replay::{HOUR, by, nonce};
use crate::support::{Schema, config, context, kind, master, patient, superuser, unique, url};

fn service(db: &PostgresClient) -> PostgresKeyService {
    let config = PostgresKeyServiceConfig::new();
    PostgresKeyService::new(db.clone(), MasterKeys::new(master(1)), config).unwrap()
}

/// The server behind this port of the loopback address.
fn through(port: u16, schema: &Schema) -> PostgresConfig {
    let (rest, database) =
        url().rsplit_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let (credentials, _) = rest.rsplit_once('@').unwrap();
    let url = format!("{credentials}@127.0.0.1:{port}/{database}");
    patient(PostgresConfig::new(url)).without_tls().with_schema(&schema.name)
}

fn server() -> String {
    url().rsplit_once('@').unwrap().1.rsplit_once('/').unwrap().0.to_owned()
}

#[tokio::test]
async fn a_cut_connection_is_unavailable_and_the_next_call_has_a_new_one() {
    let schema = Schema::new().await;
    let proxy = TcpProxy::before(server()).await;
    let db = PostgresClient::new(&through(proxy.port(), &schema)).unwrap();
    let (service, acme) = (service(&db), context("acme"));
    let made = service.generate_dek(&acme).await.unwrap();
    proxy.cut();
    for _ in 0..2 {
        assert_eq!(
            kind(service.decrypt_dek(&made.wrapped, &acme).await),
            KeyErrorKind::Unavailable
        );
    }
    proxy.restore();
    assert!(service.decrypt_dek(&made.wrapped, &acme).await.unwrap() == made.dek);
    proxy.swallow_next_answer();
    assert_eq!(kind(service.decrypt_dek(&made.wrapped, &acme).await), KeyErrorKind::Unavailable);
    assert!(service.decrypt_dek(&made.wrapped, &acme).await.unwrap() == made.dek);
    let guard = PostgresReplayGuard::new(db, "orders").unwrap();
    proxy.cut();
    assert!(guard.reserve(&nonce(1), &by("a"), HOUR, HOUR).await.is_err());
}

#[tokio::test]
async fn a_rotation_whose_answer_is_lost_leaves_a_tenant_that_serves() {
    let schema = Schema::new().await;
    let proxy = TcpProxy::before(server()).await;
    let db = PostgresClient::new(&through(proxy.port(), &schema)).unwrap();
    let (service, acme) = (service(&db), context("acme"));
    let made = service.generate_dek(&acme).await.unwrap();
    proxy.swallow_next_answer();
    assert_eq!(kind(service.rotate_kek(acme.tenant()).await), KeyErrorKind::Unavailable);
    let next = service.rotate_kek(acme.tenant()).await.unwrap();
    assert!((2..=3).contains(&next.0), "{next:?}");
    assert!(service.decrypt_dek(&made.wrapped, &acme).await.unwrap() == made.dek);
}

#[tokio::test]
async fn a_server_that_crashed_serves_again_with_all_keys() {
    let mut server = PostgresServer::start().await;
    let config = patient(PostgresConfig::new(server.url())).without_tls();
    let db = PostgresClient::new(&config).unwrap();
    migrate(&db).await.unwrap();
    let (service, acme) = (service(&db), context("acme"));
    let made = service.generate_dek(&acme).await.unwrap();
    server.kill().await;
    for _ in 0..3 {
        let error = service.decrypt_dek(&made.wrapped, &acme).await.unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
    }
    server.start_again().await;
    let opened = service.decrypt_dek(&made.wrapped, &acme).await.unwrap();
    assert!(opened == made.dek);
}

#[tokio::test]
async fn a_slow_statement_is_given_up_by_the_server() {
    let schema = Schema::new().await;
    let config = config(&schema.name).with_statement_timeout(Duration::from_secs(3));
    let db = PostgresClient::new(&config).unwrap();
    let (service, acme) = (service(&db), context("acme"));
    service.generate_dek(&acme).await.unwrap();
    let mut client = superuser().await;
    let tx = client.transaction().await.unwrap();
    let lock = schema.sql("LOCK TABLE TABLES.kms_keys IN ACCESS EXCLUSIVE MODE");
    tx.batch_execute(&lock).await.unwrap();
    let started = Instant::now();
    assert_eq!(kind(service.generate_dek(&acme).await), KeyErrorKind::Unavailable);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    tx.rollback().await.unwrap();
    service.generate_dek(&acme).await.unwrap();
}

/// A server that accepts connections and says nothing.
#[tokio::test]
async fn a_silent_server_is_given_up_here() {
    let schema = Schema::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let silent = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let config = through(port, &schema).with_connect_timeout(Duration::from_millis(200));
    let started = Instant::now();
    let error = service(&PostgresClient::new(&config).unwrap()).generate_dek(&context("a")).await;
    assert_eq!(kind(error), KeyErrorKind::Unavailable);
    assert!(started.elapsed() < Duration::from_secs(60));
    silent.abort();
}

/// A server that falls silent after a while: the bound on the whole call holds, and the next call
/// does not use that connection.
#[tokio::test]
async fn a_server_that_falls_silent_is_given_up_here() {
    let schema = Schema::new().await;
    let (deaf, deafen) =
        (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let passing = tokio::spawn({
        let (deaf, deafen) = (Arc::clone(&deaf), Arc::clone(&deafen));
        async move {
            let mut first = true;
            while let Ok((mut client, _)) = listener.accept().await {
                let silent =
                    std::mem::take(&mut first).then(|| (Arc::clone(&deaf), Arc::clone(&deafen)));
                tokio::spawn(async move {
                    let mut server = tokio::net::TcpStream::connect(server()).await.unwrap();
                    let passing = tokio::io::copy_bidirectional(&mut client, &mut server);
                    let Some((deaf, deafen)) = silent else { return drop(passing.await) };
                    tokio::select! { _ = passing => {}, () = deafen.notified() => {} }
                    deaf.notify_one();
                    let mut sink = [0; 1024];
                    while client.read(&mut sink).await.is_ok_and(|len| len > 0) {}
                    let _ = server.shutdown().await;
                });
            }
        }
    });
    let config = through(port, &schema).with_request_timeout(Duration::from_secs(5));
    let service = service(&PostgresClient::new(&config).unwrap());
    let acme = context("acme");
    let made = service.generate_dek(&acme).await.unwrap();
    deafen.notify_one();
    deaf.notified().await;
    let error = service.decrypt_dek(&made.wrapped, &acme).await.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::Unavailable);
    assert!(error.to_string().contains("in time"), "{error}");
    assert!(service.decrypt_dek(&made.wrapped, &acme).await.unwrap() == made.dek);
    passing.abort();
}

#[tokio::test]
async fn a_port_that_nobody_listens_to_is_unavailable() {
    let schema = Schema::new().await;
    let db = PostgresClient::new(&through(free_port(), &schema)).unwrap();
    assert_eq!(kind(service(&db).generate_dek(&context("a")).await), KeyErrorKind::Unavailable);
    assert_eq!(kind(service(&db).health().await), KeyErrorKind::Unavailable);
    schema.service(1).health().await.unwrap(); // the control
    PostgresReplayGuard::new(schema.db.clone(), "group").unwrap().health().await.unwrap();
    PostgresReplayGuard::new(db, "group").unwrap().health().await.unwrap_err();
}

#[tokio::test]
async fn wrong_credentials_are_denied_and_not_shown() {
    let schema = Schema::new().await;
    schema.db.replace_credentials("postgres", "not-the-password");
    let error = schema.service(1).generate_dek(&context("a")).await.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::Denied);
    assert!(!format!("{error:?} {:?}", schema.db).contains("not-the-password"));
    let url = format!("{}_no_such_database", url());
    let db = PostgresClient::new(&PostgresConfig::new(url).without_tls()).unwrap();
    assert_eq!(kind(migrate(&db).await), KeyErrorKind::Denied);
}

#[tokio::test]
async fn a_server_without_a_free_connection_throttles() {
    let schema = Schema::new().await;
    let user = unique("few");
    let sql = format!("CREATE ROLE {user} LOGIN PASSWORD 'pw' CONNECTION LIMIT 0");
    superuser().await.batch_execute(&sql).await.unwrap();
    schema.db.replace_credentials(&user, "pw");
    let made = schema.service(1).generate_dek(&context("a")).await;
    assert_eq!(kind(made), KeyErrorKind::Throttled { retry_after: None });
}

/// Credentials that a vault renews: calls go on over the change, and nobody stays on the old ones.
#[tokio::test]
async fn credentials_are_replaced_without_a_failed_call() {
    let schema = Schema::new().await;
    let (service, acme) = (schema.service(1), context("acme"));
    service.generate_dek(&acme).await.unwrap();
    let user = unique("renewed");
    let sql = format!("CREATE ROLE {user} SUPERUSER LOGIN PASSWORD 'pw'");
    superuser().await.batch_execute(&sql).await.unwrap();
    let calling = tokio::spawn({
        let (service, acme) = (service.clone(), acme.clone());
        async move {
            for _ in 0..200 {
                service.generate_dek(&acme).await.unwrap();
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    schema.db.replace_credentials(&user, "pw");
    calling.await.unwrap();
    service.generate_dek(&acme).await.unwrap();
    let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{user}'");
    assert!(schema.number(&sql).await >= 1);
}

#[tokio::test]
async fn no_more_connections_than_allowed_serve_many_calls() {
    let schema = Schema::new().await;
    let name = unique("counted");
    let url = format!("{}?application_name={name}", url());
    let config = patient(PostgresConfig::new(url)).without_tls().with_schema(&schema.name);
    let db = PostgresClient::new(&config.with_max_connections(3)).unwrap();
    let service = service(&db);
    let calls: Vec<_> = (0..60)
        .map(|n| {
            let service = service.clone();
            tokio::spawn(
                async move { service.generate_dek(&context(&format!("t{}", n % 5))).await },
            )
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE application_name = '{name}'");
    assert!((1..=3).contains(&schema.number(&sql).await));
}

/// In steady state no message asks the server: it may be gone.
#[tokio::test]
async fn a_stream_of_messages_goes_on_without_the_server() {
    let schema = Schema::new().await;
    let proxy = TcpProxy::before(server()).await;
    let db = PostgresClient::new(&through(proxy.port(), &schema)).unwrap();
    let keyring = Keyring::builder().kek(KekAlias::new("db").unwrap(), Arc::new(service(&db)));
    let crypto = AesGcmCryptoProvider::builder().keyring(keyring.build().unwrap()).build().unwrap();
    let scope = Arc::new(ContextScope::new(Some("test"), Some("acme"), "orders").unwrap());
    for n in 0..1000 {
        let context = EncryptionContext::builder(&scope, &format!("message-{n}")).build().unwrap();
        let sealed = crypto.encrypt(b"body", &context).await.unwrap();
        crypto.decrypt(sealed, &context).await.unwrap();
        if n == 0 {
            proxy.cut();
        }
    }
}
