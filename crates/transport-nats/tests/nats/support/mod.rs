//! What the tests share: servers, queues, and short ways to send and receive.

pub(crate) mod jwt;

use std::collections::BTreeSet;
use std::time::Duration;

use sealmq_queue_core::{
    Delivery, Message, Receiver, ReceiverOptions, SendReceipt, Source, Transport, TransportError,
    TransportErrorKind, new_message_id,
};
use sealmq_test_kit::{NatsServer, TcpProxy, required};
use sealmq_transport_nats::{NatsConfig, NatsQueueSettings, NatsTransport};

/// A lock that a test can wait for.
pub(crate) const SHORT_LOCK: Duration = Duration::from_secs(1);
/// How long to wait for what must come, on a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How long to look before nothing is taken to be there.
pub(crate) const QUIET: Duration = Duration::from_millis(300);

/// The address of the shared server.
pub(crate) fn url() -> String {
    required("SEALMQ_NATS_URL")
}

/// A configuration for the shared server.
pub(crate) fn config() -> NatsConfig {
    NatsConfig::new(url()).with_connect_timeout(PATIENCE)
}

/// A connection to the shared server.
pub(crate) async fn connect() -> NatsTransport {
    NatsTransport::connect(&config()).await.unwrap()
}

/// A configuration for a server of the test's own.
pub(crate) fn config_of(server: &NatsServer) -> NatsConfig {
    NatsConfig::new(server.url()).with_connect_timeout(PATIENCE)
}

/// A connection to a server of the test's own.
pub(crate) async fn connect_to(server: &NatsServer) -> NatsTransport {
    NatsTransport::connect(&config_of(server)).await.unwrap()
}

/// A proxy before a server of the test's own, and its address.
pub(crate) async fn proxy_before(server: &NatsServer) -> (TcpProxy, String) {
    let proxy = TcpProxy::before(format!("127.0.0.1:{}", server.port())).await;
    let url = format!("nats://{}", proxy.address());
    (proxy, url)
}

/// A name that no other test uses.
pub(crate) fn unique(name: &str) -> String {
    format!("{name}-{}", new_message_id())
}

/// A queue of one test; it is removed with the server's folder.
pub(crate) struct Queue {
    pub(crate) transport: NatsTransport,
    pub(crate) name: String,
}

impl Queue {
    /// A queue with the default settings.
    pub(crate) async fn new() -> Self {
        Self::with(NatsQueueSettings::default()).await
    }

    /// A queue whose locks run out soon.
    pub(crate) async fn short_lock() -> Self {
        Self::with(NatsQueueSettings::default().with_ack_wait(SHORT_LOCK)).await
    }

    /// A queue with these settings on the shared server.
    pub(crate) async fn with(settings: NatsQueueSettings) -> Self {
        Self::on(connect().await, settings).await
    }

    /// A queue with these settings on this connection's server.
    pub(crate) async fn on(transport: NatsTransport, settings: NatsQueueSettings) -> Self {
        let name = unique("queue");
        transport.create_queue(&name, &settings).await.unwrap();
        Self { transport, name }
    }

    pub(crate) fn source(&self) -> Source {
        Source::queue(&self.name)
    }

    pub(crate) fn dead_source(&self) -> Source {
        Source::dead_letter(&self.name)
    }

    /// Sends a message, which must be accepted.
    pub(crate) async fn send(&self, message: Message) -> SendReceipt {
        self.try_send(message).await.unwrap()
    }

    /// Sends a message.
    pub(crate) async fn try_send(&self, message: Message) -> Result<SendReceipt, TransportError> {
        try_send(&self.transport, &self.name, message).await
    }

    /// Sends so many messages that differ in their bodies; gives their ids.
    pub(crate) async fn send_many(&self, count: usize) -> BTreeSet<String> {
        let messages: Vec<_> = (0..count).map(|n| Message::new(format!("message {n}"))).collect();
        let ids = messages.iter().map(|message| message.id.clone()).collect();
        for sent in self.transport.send(&self.name, messages).await {
            sent.unwrap();
        }
        ids
    }

    /// Opens the queue.
    pub(crate) async fn open(&self) -> Box<dyn Receiver> {
        self.open_with(ReceiverOptions::default()).await
    }

    /// Opens the queue with these options.
    pub(crate) async fn open_with(&self, options: ReceiverOptions) -> Box<dyn Receiver> {
        self.transport.open(&self.source(), options).await.unwrap()
    }

    /// Opens the dead-letter queue.
    pub(crate) async fn open_dead(&self) -> Box<dyn Receiver> {
        self.transport.open(&self.dead_source(), ReceiverOptions::default()).await.unwrap()
    }
}

/// Sends one message.
pub(crate) async fn try_send(
    transport: &impl Transport,
    queue: &str,
    message: Message,
) -> Result<SendReceipt, TransportError> {
    let mut report = transport.send(queue, vec![message]).await;
    assert_eq!(report.len(), 1);
    report.remove(0).map_err(|failure| failure.error)
}

/// The next message, which must come.
pub(crate) async fn one(receiver: &dyn Receiver) -> Delivery {
    let mut batch = receiver.recv(1, PATIENCE).await.unwrap();
    assert_eq!(batch.len(), 1, "a message comes");
    batch.remove(0)
}

/// Nothing must come.
pub(crate) async fn nothing(receiver: &dyn Receiver) {
    let batch = receiver.recv(10, QUIET).await.unwrap();
    assert!(batch.is_empty(), "nothing comes, but: {batch:?}");
}

/// Receives and completes until so many messages have come, each once.
pub(crate) async fn take(receiver: &dyn Receiver, count: usize) -> Vec<Message> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let batch = receiver.recv(100, PATIENCE).await.unwrap();
        assert!(!batch.is_empty(), "{} of {count} messages came", taken.len());
        for delivery in batch {
            taken.push(delivery.message);
            delivery.receipt.complete().await.unwrap();
        }
    }
    let ids: BTreeSet<_> = taken.iter().map(|message| &message.id).collect();
    assert_eq!((ids.len(), taken.len()), (count, count), "each message comes once");
    taken
}

/// The kind of an error that had to come.
pub(crate) fn kind<T: std::fmt::Debug>(result: Result<T, TransportError>) -> TransportErrorKind {
    result.unwrap_err().kind().clone()
}

/// The field of an `InvalidInput` that had to come.
pub(crate) fn invalid_field<T: std::fmt::Debug>(result: Result<T, TransportError>) -> &'static str {
    match result.unwrap_err().kind() {
        TransportErrorKind::InvalidInput { field } => field,
        other => panic!("{other:?}"),
    }
}

/// An error with everything behind it, as logs would show it.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = format!("{error} / {error:?}");
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(&format!(" <- {error} / {error:?}"));
        next = error.source();
    }
    text
}

/// Waits until the condition holds.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{what}"));
}
