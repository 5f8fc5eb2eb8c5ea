//! TLS: a private authority, a client certificate, and that each refusal says which one it is.

use sealmq_queue_core::{Message, Transport, TransportErrorKind as Kind};
use sealmq_test_kit::{Authority, TlsDoor, TlsDoors, TlsProxy};
use sealmq_transport_servicebus::{ServiceBusConfig, ServiceBusTransport, TlsConfig};

use crate::support::{Queue, connection_string, endpoint, kind, one};

/// A connection by TLS, which a connection string without the emulator means.
fn connect(port: u16, tls: Option<TlsConfig>) -> ServiceBusTransport {
    let string = format!(
        "Endpoint=sb://localhost:{port};SharedAccessKeyName=RootManageSharedAccessKey;\
         SharedAccessKey=SAS_KEY_VALUE"
    );
    let config = ServiceBusConfig::from_connection_string(&string).unwrap();
    let config = match tls {
        Some(tls) => config.with_tls(tls),
        None => config,
    };
    ServiceBusTransport::new(config).unwrap()
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_it_is_given_and_only_then() {
    let queue = Queue::new("tls").await;
    let ours = Authority::new("ours");
    let proxy = TlsProxy::before(endpoint(), &ours, None).await;
    let port = proxy.port();
    let transport = connect(port, Some(TlsConfig::new().with_root_ca_pem(ours.pem())));
    let receiver = transport.open(&queue.source(), Default::default()).await.unwrap();
    let large = Message::new(vec![7; 200_000]);
    transport.send(&queue.name, vec![large.clone()]).await.remove(0).unwrap();
    let delivery = one(&*receiver).await;
    assert!(delivery.message.body == large.body);
    delivery.receipt.complete().await.unwrap();
    transport.close().await.unwrap();

    let refused = kind(connect(port, None).health().await);
    assert_eq!(refused, Some(Kind::Unavailable), "by the authorities of the system");
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
    let doors = TlsDoors::before(&endpoint()).await;
    connect(doors.open.port(), Some(tls(&doors.open))).health().await.unwrap();
    for door in &doors.shut {
        let error = connect(door.port(), Some(tls(door))).health().await.unwrap_err();
        assert_eq!(*error.kind(), Kind::Unavailable, "{}: {error:?}", door.name);
        door.check_says_why(&error);
    }
}

#[tokio::test]
async fn what_is_no_certificate_is_refused_before_anything_is_connected() {
    let (chain, key) = Authority::new("any").sign("client");
    let (_, other_key) = Authority::new("any").sign("client");
    let table = [
        (TlsConfig::new().with_root_ca_pem("no PEM"), "root_ca"),
        (TlsConfig::new().with_client_certificate_pem("no PEM", &*key), "client_certificate"),
        (TlsConfig::new().with_client_certificate_pem(&*chain, "no PEM"), "client_certificate"),
        (TlsConfig::new().with_client_certificate_pem(&*chain, other_key), "client_certificate"),
    ];
    for (tls, field) in table {
        let config = ServiceBusConfig::from_connection_string(&connection_string()).unwrap();
        let refused = kind(ServiceBusTransport::new(config.with_tls(tls)));
        assert_eq!(refused, Some(Kind::InvalidInput { field }));
    }
}
