//! TLS: whom the client trusts, who it says it is, and that it is never in the clear.

use std::path::Path;

use sealmq_crypto_core::{KeyError, KeyErrorKind};
use sealmq_keys_postgres::{PostgresClient, PostgresConfig, TlsConfig, migrate};
use sealmq_test_kit::{Authority, PostgresTlsProxy};

use crate::support::{config, patient, unique, url};

fn server() -> String {
    url().rsplit_once('@').unwrap().1.rsplit_once('/').unwrap().0.to_owned()
}

/// The server behind this port, by the name that its certificate has.
fn through(port: u16) -> PostgresConfig {
    let url = url().replace(&server(), &format!("localhost:{port}"));
    patient(PostgresConfig::new(url)).with_schema(unique("tls"))
}

async fn connect(config: &PostgresConfig) -> Result<u32, KeyError> {
    migrate(&PostgresClient::new(config).unwrap()).await
}

#[track_caller]
fn check_denied(outcome: Result<u32, KeyError>) {
    let error = outcome.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::Denied, "{error:?}");
}

const HERE: &[&str] = &["localhost", "127.0.0.1"];

fn pem(folder: &Path, authority: &Authority, name: &str) -> std::path::PathBuf {
    authority.write(folder, name)
}

#[tokio::test]
async fn a_server_of_a_private_authority_is_trusted_and_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let trusted = pem(folder.path(), &ours, "ours");
    let proxy = PostgresTlsProxy::before(server(), &ours, HERE, None).await;
    connect(&through(proxy.port()).with_tls(TlsConfig::new().with_root_ca(&trusted)))
        .await
        .unwrap();
    // Not with the authorities of the system, and not when the server is another authority's.
    check_denied(connect(&through(proxy.port())).await);
    let proxy = PostgresTlsProxy::before(server(), &theirs, HERE, None).await;
    check_denied(
        connect(&through(proxy.port()).with_tls(TlsConfig::new().with_root_ca(&trusted))).await,
    );
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("ours");
    let trusted = pem(folder.path(), &authority, "ours");
    let proxy = PostgresTlsProxy::before(server(), &authority, &["db.example.com"], None).await;
    check_denied(
        connect(&through(proxy.port()).with_tls(TlsConfig::new().with_root_ca(trusted))).await,
    );
}

#[tokio::test]
async fn a_server_that_asks_for_a_client_certificate_gets_it() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, clients) = (Authority::new("ours"), Authority::new("clients"));
    let trusted = pem(folder.path(), &authority, "ours");
    let proxy = PostgresTlsProxy::before(server(), &authority, HERE, Some(&clients)).await;
    let tls = || TlsConfig::new().with_root_ca(&trusted);
    let config = |tls| through(proxy.port()).with_tls(tls);
    let (certificate, key) = clients.write_signed(folder.path(), "client");
    connect(&config(tls().with_client_certificate(certificate, key))).await.unwrap();
    check_denied(connect(&config(tls())).await);
    let (certificate, key) = authority.write_signed(folder.path(), "stranger");
    check_denied(connect(&config(tls().with_client_certificate(certificate, key))).await);
}

/// The control shows that the server is there, in the clear.
#[tokio::test]
async fn a_server_without_tls_is_refused_unless_tls_is_turned_off() {
    let config = config(&unique("tls"));
    connect(&config).await.unwrap();
    let encrypted = patient(PostgresConfig::new(url())).with_schema(unique("tls"));
    check_denied(connect(&encrypted).await);
}

/// A proxy that insists on TLS closes what begins in the clear: that is no proof of anything, so
/// it may be tried again.
#[tokio::test]
async fn a_server_that_insists_on_tls_closes_a_connection_in_the_clear() {
    let authority = Authority::new("ours");
    let proxy = PostgresTlsProxy::before(server(), &authority, HERE, None).await;
    let error = connect(&through(proxy.port()).without_tls()).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
}
