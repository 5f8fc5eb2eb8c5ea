//! What every test of the client has: a broker, keys, one clock, clients, and an attacker's hands.

pub(crate) mod attack;
mod clock;
mod faulty;
mod guard;
mod keys;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sealmq_client::{QueueClient, QueueClientBuilder, Received, ReceivedMessage, RejectedMessage};
use sealmq_crypto_core::{Clock, CryptoConfig, EncryptionKeyId};
use sealmq_keys_local::MemoryKeyring;
use sealmq_queue_core::{Message, ReceiverOptions, Source, Transport};
use sealmq_transport_memory::{MemoryTransport, QueueSettings, StoredMessage};

pub(crate) use clock::TokioClock;
pub(crate) use faulty::{Call, Fault, FaultyTransport};
pub(crate) use guard::SwitchedGuard;
pub(crate) use keys::{SwitchedKeys, SwitchedKms};
pub(crate) use watch::{Event, Events, Metrics};

pub(crate) const QUEUE: &str = "orders";
/// 2026-01-01T00:00:00Z, which is when every test begins.
pub(crate) const START_MS: u64 = 1_767_225_600_000;
/// Found again in anything that a plaintext leaked into.
pub(crate) const CANARY: &str = "plaintext-canary-7c41";

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
/// The lock of every queue, unless its settings say otherwise.
pub(crate) const LOCK: Duration = Duration::from_secs(30);

/// A broker with the queue [`QUEUE`], a keyring, and the clock that all of them go by.
///
/// It goes by tokio's clock: tests that wait run with time paused.
pub(crate) struct World {
    pub(crate) broker: MemoryTransport,
    pub(crate) keys: MemoryKeyring,
    pub(crate) clock: Arc<TokioClock>,
}

impl World {
    /// A queue whose messages may be delivered any number of times.
    pub(crate) fn new() -> Self {
        Self::with_queue(QueueSettings::default().with_max_deliveries(None))
    }

    pub(crate) fn with_queue(settings: QueueSettings) -> Self {
        Self::with_broker(MemoryTransport::builder().queue(QUEUE, settings).build().unwrap())
    }

    pub(crate) fn with_broker(broker: MemoryTransport) -> Self {
        let keys = MemoryKeyring::generate(key_id("orders-1")).unwrap();
        Self { broker, keys, clock: Arc::new(TokioClock::new()) }
    }

    /// A connection of its own, without keys.
    pub(crate) fn keyless(&self, config: CryptoConfig) -> QueueClientBuilder {
        self.keyless_over(self.broker.connect_again(), config)
    }

    pub(crate) fn keyless_over(
        &self,
        transport: impl Transport + 'static,
        config: CryptoConfig,
    ) -> QueueClientBuilder {
        QueueClient::builder(QUEUE)
            .with_transport(Arc::new(transport))
            .with_clock(Arc::clone(&self.clock) as Arc<dyn Clock>)
            .with_crypto(config)
    }

    /// A connection of its own, with the keys.
    pub(crate) fn with_keys(&self, config: CryptoConfig) -> QueueClientBuilder {
        self.keyless(config).with_key_provider(Arc::new(self.keys.clone()))
    }

    /// A client with the keys over this transport.
    pub(crate) fn over(
        &self,
        transport: impl Transport + 'static,
        config: CryptoConfig,
    ) -> QueueClientBuilder {
        self.keyless_over(transport, config).with_key_provider(Arc::new(self.keys.clone()))
    }

    /// A client that seals, and is otherwise as lenient as can be.
    pub(crate) fn sealing(&self) -> QueueClient {
        self.with_keys(sealing()).build().unwrap()
    }

    /// A client that has no keys and lets plaintexts pass.
    pub(crate) fn plain(&self) -> QueueClient {
        self.keyless(CryptoConfig::default()).build().unwrap()
    }

    /// What an observer of the broker sees in the queue.
    pub(crate) fn stored(&self) -> Vec<StoredMessage> {
        self.tap(&Source::queue(QUEUE))
    }

    /// What an observer of the broker sees in the dead-letter queue.
    pub(crate) fn dead(&self) -> Vec<StoredMessage> {
        self.tap(&Source::dead_letter(QUEUE))
    }

    fn tap(&self, source: &Source) -> Vec<StoredMessage> {
        let stored = self.broker.tap(QUEUE).unwrap();
        stored.into_iter().filter(|message| message.source == *source).collect()
    }

    /// The only message in the queue, as the broker has it.
    pub(crate) fn the_stored(&self) -> Message {
        let mut stored = self.stored();
        assert_eq!(stored.len(), 1, "one message is in the queue");
        stored.remove(0).message
    }

    /// The only dead letter, with the reason on it.
    pub(crate) fn the_dead(&self) -> (Message, String) {
        let mut dead = self.dead();
        assert_eq!(dead.len(), 1, "one message is in the dead-letter queue");
        let StoredMessage { message, metadata, .. } = dead.remove(0);
        (message, metadata.dead_letter.unwrap().reason.unwrap())
    }

    /// The attacker sends what a client did not: straight to the broker.
    pub(crate) async fn inject(&self, message: Message) {
        self.inject_into(QUEUE, message).await;
    }

    pub(crate) async fn inject_into(&self, queue: &str, message: Message) {
        for sent in self.broker.send(queue, vec![message]).await {
            sent.map_err(|failure| failure.error).unwrap();
        }
    }

    /// The attacker takes the next message away from the broker.
    pub(crate) async fn steal(&self) -> Message {
        let receiver =
            self.broker.open(&Source::queue(QUEUE), ReceiverOptions::default()).await.unwrap();
        let delivery = receiver.recv(1, SECOND).await.unwrap().remove(0);
        delivery.receipt.complete().await.unwrap();
        delivery.message
    }

    /// The attacker changes the next message on the broker.
    pub(crate) async fn tamper(&self, change: impl FnOnce(&mut Message)) -> Message {
        let mut message = self.steal().await;
        change(&mut message);
        self.inject(message.clone()).await;
        message
    }
}

/// Encryption on, and everything else as in [`CryptoConfig::default`].
pub(crate) fn sealing() -> CryptoConfig {
    CryptoConfig::default().with_enabled(true)
}

pub(crate) fn key_id(id: &str) -> EncryptionKeyId {
    EncryptionKeyId::new(id).unwrap()
}

/// The next thing that the client receives, which must come at once.
pub(crate) async fn next(client: &QueueClient) -> Received {
    let mut received = client.receive(1, SECOND).await.unwrap();
    assert_eq!(received.len(), 1, "a message comes");
    received.remove(0)
}

/// The next message, which must open.
pub(crate) async fn next_opened(client: &QueueClient) -> ReceivedMessage {
    next(client).await.unwrap()
}

/// The next message, which must not open.
pub(crate) async fn next_rejected(client: &QueueClient) -> Box<RejectedMessage> {
    next(client).await.unwrap_err()
}

/// Nothing more must come within a second.
pub(crate) async fn nothing_comes(client: &QueueClient) {
    let received = client.receive(10, SECOND).await.unwrap();
    assert!(received.is_empty(), "nothing more comes, but there was {received:?}");
}

/// Takes and completes so many messages, and gives their bodies as text.
pub(crate) async fn take_texts(client: &QueueClient, count: usize) -> Vec<String> {
    let mut texts = Vec::with_capacity(count);
    while texts.len() < count {
        let received = client.receive(count - texts.len(), SECOND).await.unwrap();
        assert!(!received.is_empty(), "{count} messages come, but only {} did", texts.len());
        for message in received {
            let message = message.unwrap();
            texts.push(text(&message));
            message.complete().await.unwrap();
        }
    }
    texts
}

/// A plaintext body as text.
pub(crate) fn text(message: &ReceivedMessage) -> String {
    String::from_utf8(message.body().to_vec()).unwrap()
}

/// The same message with another body.
pub(crate) fn with_body(mut message: Message, body: impl Into<Bytes>) -> Message {
    message.body = body.into();
    message
}

/// Whether `needle` stands anywhere in `haystack`.
pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
