//! TLS: a private authority is trusted where it is named, and each refusal says which one it is.

use sealmq_queue_core::{Transport, TransportError, TransportErrorKind};
use sealmq_test_kit::{Authority, TlsDoor, TlsDoors, TlsProxy};
use sealmq_transport_sqs::{SqsConfig, SqsTransport, TlsConfig};

use crate::support::*;

fn at(port: u16) -> SqsConfig {
    config_for("http://unused.invalid").with_endpoint_url(format!("https://localhost:{port}"))
}

async fn transport(config: &SqsConfig) -> SqsTransport {
    SqsTransport::connect(config).await.unwrap()
}

fn tls(door: &TlsDoor) -> TlsConfig {
    let tls = TlsConfig::new().with_root_ca_pem(door.root_ca.as_str());
    match &door.client_certificate {
        Some((chain, key)) => tls.with_client_certificate_pem(chain.as_str(), key.as_str()),
        None => tls,
    }
}

async fn health(door: &TlsDoor) -> Result<(), TransportError> {
    transport(&at(door.port()).with_tls(tls(door))).await.health().await
}

#[tokio::test]
async fn each_refusal_is_unavailable_and_says_why() {
    let doors = TlsDoors::before(&address()).await;
    health(&doors.open).await.unwrap();
    for door in &doors.shut {
        let error = health(door).await.unwrap_err();
        assert_eq!(*error.kind(), TransportErrorKind::Unavailable, "{}: {error:?}", door.name);
        door.check_says_why(&error);
    }
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_and_none_of_the_systems() {
    let own = Authority::new("own");
    let proxy = TlsProxy::before(address(), &own, None).await;
    let tls = TlsConfig::new().with_root_ca_pem(own.pem());
    let trusting = transport(&at(proxy.port()).with_tls(tls)).await;
    let queue = queue(&trusting, settings()).await;
    send(&trusting, &queue, numbered(1)).await;
    one(&*open(&trusting, &queue).await).await.receipt.complete().await.unwrap();
    let error = transport(&at(proxy.port())).await.health().await.unwrap_err();
    assert_eq!(*error.kind(), TransportErrorKind::Unavailable, "{error:?}");
}
