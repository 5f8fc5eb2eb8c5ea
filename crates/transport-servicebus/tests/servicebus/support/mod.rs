//! What the tests share: the server, queues of their own, and ways to send and receive.

mod admin;
mod server;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sealmq_queue_core::{
    Delivery, Message, Receiver, ReceiverOptions, SendReceipt, SessionSelector, Source, Transport,
    TransportError, TransportErrorKind as Kind,
};
use sealmq_test_kit::{TcpProxy, required};
use sealmq_transport_servicebus::{ServiceBusConfig, ServiceBusTransport};
use serde_json::{Value, json};

pub(crate) use admin::Admin;
pub(crate) use server::Server;

/// How long to wait for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How late something may be on a busy machine that has to happen at a time.
pub(crate) const LAG: Duration = Duration::from_secs(60);
/// How long to look before nothing is taken to be there.
pub(crate) const QUIET: Duration = Duration::from_millis(400);

/// The connection string of the server.
pub(crate) fn connection_string() -> String {
    required("SEALMQ_SERVICEBUS_CONNECTION_STRING")
}

/// Where the server listens: `host:port`.
pub(crate) fn endpoint() -> String {
    let string = connection_string();
    let endpoint = string.split(';').find_map(|part| part.strip_prefix("Endpoint=sb://"));
    endpoint.expect("an endpoint").trim_end_matches('/').to_owned()
}

/// The faults of the server strike every connection; those of a proxy strike its own only.
pub(crate) async fn proxy() -> TcpProxy {
    TcpProxy::before(endpoint()).await
}

/// The settings for the server.
pub(crate) fn config() -> ServiceBusConfig {
    ServiceBusConfig::from_connection_string(&connection_string()).unwrap()
}

/// The settings for the server, through another port.
pub(crate) fn config_through(port: u16) -> ServiceBusConfig {
    config().with_port(port)
}

/// A new connection.
pub(crate) fn connect() -> ServiceBusTransport {
    ServiceBusTransport::new(config()).unwrap()
}

/// A name no other test has.
pub(crate) fn unique(name: &str) -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    format!("{name}-{}-{number}", std::process::id())
}

/// A queue of one test, and a connection.
pub(crate) struct Queue {
    pub(crate) admin: Admin,
    pub(crate) transport: ServiceBusTransport,
    pub(crate) name: String,
}

impl Queue {
    /// A queue with the server's settings: 30 s locks, 10 deliveries.
    pub(crate) async fn new(name: &str) -> Self {
        Self::with(name, json!({})).await
    }

    /// A queue whose locks last this long.
    pub(crate) async fn locking(name: &str, lock: Duration) -> Self {
        Self::with(name, json!({ "lock_duration_ms": lock.as_millis() as u64 })).await
    }

    /// A queue of sessions, held this long.
    pub(crate) async fn of_sessions(name: &str, lock: Duration) -> Self {
        let lock_ms = lock.as_millis() as u64;
        Self::with(name, json!({ "requires_session": true, "lock_duration_ms": lock_ms })).await
    }

    pub(crate) async fn with(name: &str, settings: Value) -> Self {
        let (admin, name) = (Admin::from_env(), unique(name));
        admin.put(&format!("/queues/{name}"), &settings).await;
        Self { admin, transport: connect(), name }
    }

    pub(crate) fn source(&self) -> Source {
        Source::queue(&self.name)
    }

    pub(crate) fn dead_letters(&self) -> Source {
        Source::dead_letter(&self.name)
    }

    pub(crate) async fn send(&self, message: Message) -> SendReceipt {
        let mut report = self.transport.send(&self.name, vec![message]).await;
        report.remove(0).unwrap_or_else(|failure| panic!("{:?}", failure.error))
    }

    pub(crate) async fn send_all(&self, messages: Vec<Message>) {
        for result in self.transport.send(&self.name, messages).await {
            result.unwrap_or_else(|failure| panic!("{:?}", failure.error));
        }
    }

    pub(crate) async fn open(&self) -> Box<dyn Receiver> {
        self.open_with(ReceiverOptions::default()).await
    }

    pub(crate) async fn open_with(&self, options: ReceiverOptions) -> Box<dyn Receiver> {
        self.transport.open(&self.source(), options).await.unwrap()
    }

    /// Accepts a session by its name.
    pub(crate) async fn session(&self, id: &str) -> Box<dyn Receiver> {
        let named = SessionSelector::Named(id.to_owned());
        let options = ReceiverOptions::default();
        let accepted = self.transport.accept_session(&self.name, named, PATIENCE, options).await;
        accepted.unwrap().expect("a session by its name")
    }

    /// How many messages there are of one kind.
    pub(crate) async fn count(&self, kind: &str) -> u64 {
        let shown = self.admin.get(&format!("/queues/{}", self.name)).await;
        shown["counts"][kind].as_u64().unwrap()
    }

    /// Does or arms a fault at this queue.
    pub(crate) async fn fault(&self, action: &str, fields: Value) {
        let mut fault = json!({ "action": action, "entity": self.name });
        for (name, value) in fields.as_object().unwrap() {
            fault[name] = value.clone();
        }
        self.admin.post("/faults", &fault).await;
    }
}

/// The next message, which must come.
pub(crate) async fn one(receiver: &dyn Receiver) -> Delivery {
    let mut batch = receiver.recv(1, PATIENCE).await.unwrap();
    assert_eq!(batch.len(), 1, "a message comes");
    batch.remove(0)
}

/// So many messages, all of which must come.
pub(crate) async fn many(receiver: &dyn Receiver, count: usize) -> Vec<Delivery> {
    let mut received = Vec::new();
    while received.len() < count {
        let batch = receiver.recv(count - received.len(), PATIENCE).await.unwrap();
        assert!(!batch.is_empty(), "of {count} messages {} came", received.len());
        received.extend(batch);
    }
    received
}

/// Nothing must come.
pub(crate) async fn nothing(receiver: &dyn Receiver) {
    let batch = receiver.recv(10, QUIET).await.unwrap();
    assert!(batch.is_empty(), "nothing comes, but {batch:?}");
}

/// Tries until it works; only what may be retried is retried.
pub(crate) async fn persistently<T, F>(mut attempt: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, TransportError>>,
{
    let trying = async {
        loop {
            match attempt().await {
                Ok(done) => return done,
                Err(error) if error.is_retryable() => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => panic!("not to be retried: {error:?}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, trying).await.expect("it works in the end")
}

/// The body as text.
pub(crate) fn body(delivery: &Delivery) -> String {
    String::from_utf8(delivery.message.body.to_vec()).unwrap()
}

/// What went wrong, without the details.
pub(crate) fn kind<T>(result: Result<T, TransportError>) -> Option<Kind> {
    result.err().map(|error| error.kind().clone())
}

/// The same for a settlement.
pub(crate) fn settle_kind<T>(result: Result<T, sealmq_queue_core::SettleError>) -> Option<Kind> {
    result.err().map(|failed| failed.error.kind().clone())
}
