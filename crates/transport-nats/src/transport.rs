//! The `JetStream` transport: at least once, stored by the server.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use sealmq_queue_core::{
    Capabilities, Feature, Message, PeekedMessage, Receiver, ReceiverOptions, SendReport, Source,
    Transport, TransportError,
};

use crate::channel::Channel;
use crate::config::NatsConfig;
use crate::jetstream::{JetStream, NOTHING};
use crate::layout::Layout;
use crate::queue_settings::NatsQueueSettings;
use crate::receiver::JetStreamReceiver;
use crate::rules::DeliveryRules;
use crate::{dead_letters, inspect, sender};

/// A connection to NATS `JetStream`.
///
/// # Contract
/// - At least once: a message whose send returned `Ok` is stored. It leaves the queue when it is
///   completed, dead-lettered or expired. With file storage that survives a restart of the server.
/// - A settlement that returns `Ok` was confirmed by the server. The server does not tell whether
///   the lock was still held, and lets a former holder settle the delivery of the present one.
/// - The message's id is the `Nats-Msg-Id`: a second message of that id within the queue's window
///   is accepted and dropped, and its receipt says so.
/// - Without ordered groups the order of messages is not kept, and session ids are metadata. With
///   them ([`NatsQueueSettings::ordered_groups`]) messages of one session id are handed out one
///   after the other, an abandoned one first.
/// - Dead-lettering, redriving and the limit of deliveries are the adapter's: it copies, waits for
///   the copy to be stored, and then settles. A failure in between leaves the message where it
///   was; trying again does not double the copy.
/// - A connection that breaks is made again in the background, for as long as it takes. Calls wait
///   for it within the request timeout and then fail as `Unavailable`; a send that failed so may
///   have happened. Nothing is tried twice here.
/// - Clones are the same connection. All calls may be made from several tasks and are cancel-safe.
///
/// ```no_run
/// use std::time::Duration;
/// use sealmq_queue_core::{Message, ReceiverOptions, Source, Transport};
/// use sealmq_transport_nats::{NatsConfig, NatsQueueSettings, NatsTransport};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let transport = NatsTransport::connect(&NatsConfig::new("nats://localhost:4222")).await?;
/// transport.create_queue("orders", &NatsQueueSettings::default()).await?;
///
/// let report = transport.send("orders", vec![Message::new("opaque bytes")]).await;
/// assert!(report.iter().all(Result::is_ok));
///
/// let orders = transport.open(&Source::queue("orders"), ReceiverOptions::default()).await?;
/// for delivery in orders.recv(10, Duration::from_secs(1)).await? {
///     delivery.receipt.complete().await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct NatsTransport {
    jetstream: Arc<JetStream>,
}

impl NatsTransport {
    /// Connects within the connect timeout of the configuration.
    ///
    /// # Errors
    /// `InvalidInput` before any I/O, `Denied` for refused credentials, `Unavailable`: also for a
    /// refused certificate, and then it says which.
    pub async fn connect(config: &NatsConfig) -> Result<Self, TransportError> {
        Ok(Self { jetstream: Arc::new(JetStream::open(config).await?) })
    }

    /// Makes a queue and its dead-letter queue. Repeating it with the same settings is fine.
    ///
    /// # Errors
    /// `InvalidInput` names the setting that is not acceptable, or `queue` if it exists with other
    /// settings; `Throttled`, `Denied`, `Unavailable`, `Closed`.
    pub async fn create_queue(
        &self,
        queue: &str,
        settings: &NatsQueueSettings,
    ) -> Result<(), TransportError> {
        self.jetstream.create(&self.jetstream.names(queue)?, settings).await
    }

    /// Checks that a queue and its dead-letter queue exist and are fit to be used, whoever made
    /// them: each a stream with a durable pull consumer of explicit acknowledgement.
    ///
    /// # Errors
    /// `NotFound`, `InvalidInput` for `queue` if it is not fit, `Unavailable`, `Closed`.
    pub async fn verify_queue(&self, queue: &str) -> Result<(), TransportError> {
        let names = self.jetstream.names(queue)?;
        let found = self.jetstream.consumer_of(&names.stream).await?;
        let layout = Layout::of(&found.config.metadata);
        self.verify(&names.stream, &layout.subjects(&names)).await?;
        for partition in 0..layout.partitions() {
            let found = self.jetstream.consumer_of_partition(&names.stream, partition).await?;
            DeliveryRules::of(&found.config, &layout.filter(&names, partition))?;
        }
        self.verify(&names.dead_stream, &names.dead_subject).await?;
        let found = self.jetstream.consumer_of(&names.dead_stream).await?;
        DeliveryRules::of(&found.config, &names.dead_subject).map(drop)
    }

    async fn verify(&self, stream: &str, subject: &String) -> Result<(), TransportError> {
        let found = self.jetstream.stream(stream).await?;
        if found.config.subjects.contains(subject) {
            return Ok(());
        }
        let reason = format!("stream {stream} does not store {subject}");
        Err(TransportError::invalid_input("queue", reason))
    }

    /// Removes a queue with all its messages and dead letters.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Closed`.
    pub async fn delete_queue(&self, queue: &str) -> Result<(), TransportError> {
        self.jetstream.delete(&self.jetstream.names(queue)?).await
    }

    /// What a queue's streams are called on the server: the queue's and its dead-letter queue's.
    /// Letters, digits, `-` and `_` of the queue's name stand for themselves, every other byte
    /// becomes `%` and two hexadecimal digits.
    ///
    /// # Errors
    /// `InvalidInput` for `queue` when the name is empty or too long.
    pub fn stream_names(&self, queue: &str) -> Result<(String, String), TransportError> {
        let names = self.jetstream.names(queue)?;
        Ok((names.stream, names.dead_stream))
    }

    fn require(&self, feature: Feature) -> Result<(), TransportError> {
        self.jetstream.capabilities.require(feature)
    }
}

#[async_trait]
impl Transport for NatsTransport {
    fn capabilities(&self) -> &Capabilities {
        &self.jetstream.capabilities
    }

    async fn send(&self, queue: &str, messages: Vec<Message>) -> SendReport {
        sender::send(&self.jetstream, queue, messages).await
    }

    async fn open(
        &self,
        source: &Source,
        options: ReceiverOptions,
    ) -> Result<Box<dyn Receiver>, TransportError> {
        let partitions = Channel::open(&self.jetstream, source).await?;
        Ok(Box::new(JetStreamReceiver::new(partitions, &options)?))
    }

    async fn cancel_scheduled(
        &self,
        queue: &str,
        sequence_number: u64,
    ) -> Result<bool, TransportError> {
        self.require(Feature::CancelScheduled)?;
        inspect::cancel_scheduled(&self.jetstream, queue, sequence_number).await
    }

    async fn peek(
        &self,
        source: &Source,
        from: u64,
        max: usize,
    ) -> Result<Vec<PeekedMessage>, TransportError> {
        inspect::peek(&self.jetstream, source, from, max).await
    }

    async fn depth(&self, source: &Source) -> Result<u64, TransportError> {
        inspect::depth(&self.jetstream, source).await
    }

    async fn redrive(&self, queue: &str, max: usize) -> Result<usize, TransportError> {
        dead_letters::redrive(&self.jetstream, queue, max).await
    }

    async fn health(&self) -> Result<(), TransportError> {
        let _: serde_json::Value =
            self.jetstream.call("INFO", &NOTHING, "asking for health").await?;
        Ok(())
    }

    async fn close(&self) -> Result<(), TransportError> {
        self.jetstream.connection.close().await
    }
}

impl fmt::Debug for NatsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsTransport")
            .field("connected", &self.jetstream.connection.is_connected())
            .field("closed", &self.jetstream.connection.is_closed())
            .finish_non_exhaustive()
    }
}
