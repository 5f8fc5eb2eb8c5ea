//! Connecting: to a broker that is down or says nothing, with the wrong key; and what is shown.

use std::error::Error;
use std::time::{Duration, Instant};

use sealmq_queue_core::{Message, Transport, TransportError, TransportErrorKind as Kind};
use sealmq_transport_servicebus::{Credential, ServiceBusConfig, ServiceBusTransport};
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::{
    Admin, LAG, Queue, config, config_through, connection_string, kind, one, persistently, proxy,
    unique,
};

fn with_key(name: &str, key: &str) -> ServiceBusTransport {
    let string = connection_string();
    let endpoint = string.split(';').next().unwrap();
    let string = format!(
        "{endpoint};SharedAccessKeyName={name};SharedAccessKey={key};UseDevelopmentEmulator=true"
    );
    let config = ServiceBusConfig::from_connection_string(&string).unwrap();
    ServiceBusTransport::new(config).unwrap()
}

/// An error with all that is behind it, as Display and Debug show it.
fn shown(error: &TransportError) -> String {
    let mut shown = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(error) = source {
        shown += &format!(" {error} {error:?}");
        source = error.source();
    }
    shown
}

#[tokio::test]
async fn a_wrong_key_is_denied() {
    let queue = Queue::new("denied").await;
    for transport in
        [with_key("RootManageSharedAccessKey", "d3Jvbmc="), with_key("nobody", "d3Jvbmc=")]
    {
        assert_eq!(kind(transport.health().await), Some(Kind::Denied));
        let opened = transport.open(&queue.source(), Default::default()).await;
        let error = opened.err().expect("denied");
        assert_eq!(error.kind(), &Kind::Denied);
        assert!(!error.is_retryable());
        assert!(!shown(&error).contains("d3Jvbmc"), "{}", shown(&error));
        let sent = transport.send(&queue.name, vec![Message::new("m")]).await.remove(0);
        assert_eq!(sent.unwrap_err().error.kind(), &Kind::Denied);
    }
}

#[tokio::test]
async fn a_policy_may_only_do_what_it_says() {
    let queue = Queue::new("rights").await;
    let name = unique("listener");
    let rule = json!({ "key": "bGlzdGVu", "rights": ["Listen"] });
    Admin::from_env().put(&format!("/sas-rules/{name}"), &rule).await;
    let listener = with_key(&name, "bGlzdGVu");
    listener.health().await.unwrap();
    let sent = listener.send(&queue.name, vec![Message::new("m")]).await.remove(0);
    assert_eq!(sent.unwrap_err().error.kind(), &Kind::Denied);
    let receiver = listener.open(&queue.source(), Default::default()).await.unwrap();
    queue.send(Message::new("m")).await;
    one(&*receiver).await.receipt.complete().await.unwrap();
}

#[tokio::test]
async fn a_broker_that_is_down_is_unavailable_until_it_is_back() {
    let queue = Queue::new("down").await;
    let proxy = proxy().await;
    proxy.cut();
    let transport = ServiceBusTransport::new(config_through(proxy.port())).unwrap();
    assert_eq!(kind(transport.health().await), Some(Kind::Unavailable));
    let opened = transport.open(&queue.source(), Default::default()).await;
    assert_eq!(kind(opened), Some(Kind::Unavailable));
    proxy.restore();
    transport.health().await.unwrap();
    proxy.cut();
    assert_eq!(kind(transport.health().await), Some(Kind::Unavailable));
    proxy.restore();
    persistently(|| transport.health()).await;
    transport.close().await.unwrap();
    assert_eq!(kind(transport.health().await), Some(Kind::Closed));
}

#[tokio::test]
async fn a_broker_that_says_nothing_is_not_waited_for_longer_than_said() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let timeout = Duration::from_secs(1);
    let config = config_through(port).with_connect_timeout(timeout);
    let transport = ServiceBusTransport::new(config).unwrap();
    let started = Instant::now();
    assert_eq!(kind(transport.health().await), Some(Kind::Unavailable));
    assert!(started.elapsed() >= timeout && started.elapsed() < timeout + LAG);
}

#[tokio::test]
async fn a_namespace_nobody_has_is_unavailable() {
    let string = "Endpoint=sb://no-such-namespace.invalid;SharedAccessKeyName=root;\
                  SharedAccessKey=k;UseDevelopmentEmulator=true";
    let config = ServiceBusConfig::from_connection_string(string).unwrap();
    let transport = ServiceBusTransport::new(config).unwrap();
    let error = transport.health().await.unwrap_err();
    assert_eq!(error.kind(), &Kind::Unavailable);
    assert!(error.to_string().contains("no-such-namespace.invalid:5672"), "{error}");
}

#[tokio::test]
async fn settings_are_checked_before_anything_is_connected() {
    let credential = Credential::shared_access_key("", "k");
    let refused = ServiceBusTransport::new(ServiceBusConfig::new("ns.example", credential));
    let field = Kind::InvalidInput { field: "shared_access_key_name" };
    assert_eq!(kind(refused), Some(field));
}

#[tokio::test]
async fn nothing_shows_a_key_or_a_body() {
    let queue = Queue::new("shown").await;
    let transport = ServiceBusTransport::new(config()).unwrap();
    let shown_transport = format!("{:?} {transport:#?}", config());
    assert!(!shown_transport.contains("SAS_KEY_VALUE"), "{shown_transport}");
    let receiver = transport.open(&queue.source(), Default::default()).await.unwrap();
    let message = || Message::new("secret-body").with_attribute("a", "secret-value");
    queue.send(message()).await;
    let delivery = one(&*receiver).await;
    let missing = transport.send(&unique("missing"), vec![message()]).await.remove(0).unwrap_err();
    let all = format!("{delivery:?} {missing:?} {}", shown(&missing.error));
    for secret in ["secret-body", "secret-value", "SAS_KEY_VALUE", "115, 101, 99"] {
        assert!(!all.contains(secret), "{all}");
    }
}
