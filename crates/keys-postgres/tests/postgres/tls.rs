//! TLS: whom the client trusts, who it says it is, and that it is never in the clear.

use sealmq_crypto_core::{KeyError, KeyErrorKind};
use sealmq_keys_postgres::{PostgresClient, PostgresConfig, TlsConfig, migrate};
use sealmq_test_kit::{Authority, PostgresTlsProxy, TlsDoor, TlsDoors};

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

fn tls(door: &TlsDoor) -> TlsConfig {
    let tls = TlsConfig::new().with_root_ca_pem(door.root_ca.as_str());
    match &door.client_certificate {
        Some((chain, key)) => tls.with_client_certificate_pem(chain.as_str(), key.as_str()),
        None => tls,
    }
}

#[tokio::test]
async fn each_refusal_is_unavailable_and_says_why() {
    let doors = TlsDoors::before_postgres(&server()).await;
    connect(&through(doors.open.port()).with_tls(tls(&doors.open))).await.unwrap();
    for door in &doors.shut {
        let error = connect(&through(door.port()).with_tls(tls(door))).await.unwrap_err();
        assert_eq!(*error.kind(), KeyErrorKind::Unavailable, "{}: {error:?}", door.name);
        door.check_says_why(&error);
    }
}

/// Authorities of the system do not do for a private one, nor a client certificate of another.
#[tokio::test]
async fn what_is_not_configured_is_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, clients) = (Authority::new("ours"), Authority::new("clients"));
    let trusted = authority.write(folder.path(), "ours");
    let here = &["localhost"];
    let proxy = PostgresTlsProxy::before(server(), &authority, here, Some(&clients)).await;
    let config = |tls| through(proxy.port()).with_tls(tls);
    let trusting = TlsConfig::new().with_root_ca(trusted);
    let (certificate, key) = authority.write_signed(folder.path(), "stranger");
    for tls in [TlsConfig::new(), trusting.with_client_certificate(certificate, key)] {
        let error = connect(&config(tls)).await.unwrap_err();
        assert_eq!(*error.kind(), KeyErrorKind::Unavailable, "{error:?}");
    }
}

/// The control shows that the server is there, in the clear.
#[tokio::test]
async fn a_server_without_tls_is_refused_unless_tls_is_turned_off() {
    let config = config(&unique("tls"));
    connect(&config).await.unwrap();
    let encrypted = patient(PostgresConfig::new(url())).with_schema(unique("tls"));
    let error = connect(&encrypted).await.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::Unavailable, "{error:?}");
    assert!(error.to_string().contains("server does not support TLS"), "{error}");
}

/// A proxy that insists on TLS closes what begins in the clear: that is no proof of anything, so
/// it may be tried again.
#[tokio::test]
async fn a_server_that_insists_on_tls_closes_a_connection_in_the_clear() {
    let authority = Authority::new("ours");
    let proxy = PostgresTlsProxy::before(server(), &authority, &["localhost"], None).await;
    let error = connect(&through(proxy.port()).without_tls()).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
}
