//! TLS: both sides prove who they are, and a connection without it is refused.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sealmq_queue_core::{Transport, TransportError, TransportErrorKind};
use sealmq_test_kit::{Authority, NatsServer, TlsDoor, TlsDoors};
use sealmq_transport_nats::{NatsConfig, NatsTransport, TlsConfig};

use crate::support::{config_of, kind};

/// A server with a certificate of its own authority, that authority, and the file to trust it by.
async fn server(options: &str) -> (NatsServer, Authority, PathBuf) {
    let authority = Authority::new("authority");
    let server = NatsServer::with_tls(&authority, options).await;
    let trusted = server.folder().join("authority.pem");
    (server, authority, trusted)
}

fn config(server: &NatsServer) -> NatsConfig {
    NatsConfig::new(format!("tls://localhost:{}", server.port()))
        .with_connect_timeout(Duration::from_secs(20))
}

fn trusting(authorities: impl Into<PathBuf>) -> TlsConfig {
    TlsConfig::new().with_root_ca(authorities)
}

async fn reach(config: NatsConfig) -> Result<(), TransportError> {
    NatsTransport::connect(&config).await?.health().await
}

#[tokio::test]
async fn a_server_of_a_trusted_authority_is_reached() {
    let (server, _, trusted) = server("").await;
    reach(config(&server).with_tls(trusting(&trusted))).await.unwrap();
    let plain_scheme = NatsConfig::new(format!("nats://localhost:{}", server.port()));
    reach(plain_scheme.with_tls(trusting(&trusted))).await.unwrap();
}

#[tokio::test]
async fn a_server_of_another_authority_is_refused() {
    let (server, ..) = server("").await;
    let other = Authority::new("other").write(server.folder(), "other");
    let untrusted = config(&server).with_tls(trusting(other));
    assert_eq!(kind(reach(untrusted).await), TransportErrorKind::Unavailable);
    let by_the_system = config(&server);
    assert_eq!(kind(reach(by_the_system).await), TransportErrorKind::Unavailable);
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
    let server = NatsServer::start().await;
    let doors = TlsDoors::before(&format!("127.0.0.1:{}", server.port())).await;
    let through = |door: &TlsDoor| {
        NatsConfig::new(format!("tls://localhost:{}", door.port()))
            .with_connect_timeout(Duration::from_secs(20))
            .with_tls(tls(door))
            .with_tls_first()
    };
    reach(through(&doors.open)).await.unwrap();
    for door in &doors.shut {
        let error = reach(through(door)).await.unwrap_err();
        assert_eq!(*error.kind(), TransportErrorKind::Unavailable, "{}: {error:?}", door.name);
        door.check_says_why(&error);
    }
}

#[tokio::test]
async fn a_demanded_client_certificate_has_to_be_brought() {
    let (server, authority, trusted) = server("verify: true").await;
    let trusting = || trusting(&trusted);
    let with = |tls| config(&server).with_tls(tls);
    assert_eq!(kind(reach(with(trusting())).await), TransportErrorKind::Unavailable);

    let stranger = Authority::new("stranger");
    let (chain, key) = stranger.write_signed(server.folder(), "strangers-client");
    let strange = with(trusting().with_client_certificate(chain, key));
    assert_eq!(kind(reach(strange).await), TransportErrorKind::Unavailable);

    let (chain, key) = authority.write_signed(server.folder(), "client");
    reach(with(trusting().with_client_certificate(chain, key))).await.unwrap();
}

#[tokio::test]
async fn a_server_without_tls_is_refused_once_tls_was_asked_for() {
    let server = NatsServer::start().await;
    let authority = Authority::new("authority");
    let trusted = authority.write(server.folder(), "authority");
    let (chain, key) = authority.write_signed(server.folder(), "client");
    let asked_for = [
        NatsConfig::new(format!("tls://127.0.0.1:{}", server.port())),
        config_of(&server).with_tls(trusting(&trusted)),
        config_of(&server).with_tls(trusting(&trusted).with_client_certificate(chain, key)),
        config_of(&server).with_tls_first(),
    ];
    for config in asked_for {
        let config = config.with_connect_timeout(Duration::from_secs(2));
        assert!(NatsTransport::connect(&config).await.is_err(), "{config:?}");
    }
}

#[tokio::test]
async fn a_tls_client_of_the_callers_own_is_used_and_none_is_installed() {
    let (server, _, trusted) = server("").await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&trusted).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    reach(config(&server).with_tls(TlsConfig::new().with_client_config(client))).await.unwrap();
    let installed = rustls::crypto::CryptoProvider::get_default();
    assert!(installed.is_none(), "the process has no provider of ours");
}

#[tokio::test]
async fn a_server_that_encrypts_first_is_reached() {
    let (server, _, trusted) = server("handshake_first: true").await;
    reach(config(&server).with_tls(trusting(&trusted)).with_tls_first()).await.unwrap();
}
