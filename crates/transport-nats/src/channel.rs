//! One side of a queue as receivers and settlers see it: its stream, its consumer, its rules.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_nats::jetstream::message::Info;
use async_nats::{HeaderMap, Message as NatsMessage, jetstream};
use bytes::Bytes;
use sealmq_queue_core::{DeliveryMetadata, Source, TransportError};
use tokio::time::Instant;

use crate::groups::{self, Layout};
use crate::jetstream::JetStream;
use crate::names::QueueNames;
use crate::rules::DeliveryRules;
use crate::wire;

/// Where deliveries come from and settlements go to: a partition of one side of a queue.
pub(crate) struct Channel {
    pub(crate) jetstream: Arc<JetStream>,
    pub(crate) names: QueueNames,
    pub(crate) is_dead: bool,
    pub(crate) rules: DeliveryRules,
    /// Where pull requests go.
    pub(crate) next_subject: String,
}

impl Channel {
    /// Opens the side of a queue that a source names: each of its partitions, of which all but
    /// queues of ordered groups have one.
    ///
    /// # Errors
    /// `NotFound`, `InvalidInput` when its consumer is none to receive from, `Unavailable`.
    pub(crate) async fn open(
        jetstream: &Arc<JetStream>,
        source: &Source,
    ) -> Result<Vec<Arc<Self>>, TransportError> {
        let names = jetstream.names(source.queue_name())?;
        let is_dead = matches!(source, Source::DeadLetter(_));
        jetstream.ensure(&names).await?;
        let stream = if is_dead { &names.dead_stream } else { &names.stream };
        let config = jetstream.consumer_of(stream).await?.config;
        let layout = if is_dead { Layout::Plain } else { Layout::of(&config.metadata) };
        let subject = match is_dead {
            true => names.dead_subject.clone(),
            false => layout.filter(&names, 0),
        };
        let rules = DeliveryRules::of(&config, &subject)?;
        let partitions = (0..layout.partitions()).map(|partition| {
            let consumer = groups::consumer(&jetstream.consumer, partition);
            let endpoint = format!("CONSUMER.MSG.NEXT.{stream}.{consumer}");
            let next_subject = jetstream.api_subject(&endpoint);
            let (jetstream, names) = (Arc::clone(jetstream), names.clone());
            Arc::new(Self { jetstream, names, is_dead, rules, next_subject })
        });
        Ok(partitions.collect())
    }

    /// The stream of this side.
    pub(crate) fn stream(&self) -> &str {
        if self.is_dead { &self.names.dead_stream } else { &self.names.stream }
    }

    /// Settles a message and waits until the server says that it has.
    ///
    /// # Errors
    /// `Closed`, `NotFound` when the consumer is gone, `Unavailable`.
    pub(crate) async fn settle(
        &self,
        pulled: &Pulled,
        order: impl Into<Bytes>,
    ) -> Result<(), TransportError> {
        self.jetstream.settle(pulled.reply(), order.into(), self.stream()).await
    }

    /// Stores a message and waits until the server says that it has, or that it had it already.
    ///
    /// # Errors
    /// `NotFound` without a stream for the subject, `Throttled`, `Unavailable`.
    pub(crate) async fn store(
        &self,
        subject: &str,
        headers: HeaderMap,
        body: Bytes,
        context: &str,
    ) -> Result<(), TransportError> {
        self.jetstream.connection.check_open()?;
        let published = self.jetstream.publish(subject.to_owned(), headers, body).await;
        self.jetstream.acknowledged(published, context, Instant::now()).await.map(drop)
    }
}

/// A message that was pulled, and when it came: its lock runs from there.
#[derive(Debug)]
pub(crate) struct Pulled {
    pub(crate) message: NatsMessage,
    pub(crate) arrived: Instant,
    pub(crate) facts: Facts,
}

/// What the server says of a delivery, in the subject to settle it by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    /// Sequence number in the stream.
    pub(crate) sequence: u64,
    /// How often it was delivered, this time included.
    pub(crate) delivered: i64,
    /// When it was stored.
    pub(crate) stored_at: SystemTime,
}

impl Pulled {
    /// A message that comes with the facts of a delivery; others are none of ours.
    pub(crate) fn new(context: &jetstream::Context, message: NatsMessage) -> Option<Self> {
        let message = jetstream::Message { message, context: context.clone() };
        let facts = message.info().ok().map(|info: Info<'_>| Facts {
            sequence: info.stream_sequence,
            delivered: info.delivered,
            stored_at: info.published.into(),
        })?;
        Some(Self { message: message.message, arrived: Instant::now(), facts })
    }

    /// The subject to settle it by.
    pub(crate) fn reply(&self) -> &str {
        self.message.reply.as_deref().unwrap_or_default()
    }

    /// The broker's identity of the stored copy. Sequence numbers begin anew with a new stream of
    /// the same name, so the time belongs to it.
    pub(crate) fn broker_id(&self, stream: &str) -> String {
        broker_id(stream, self.facts.sequence, self.facts.stored_at)
    }

    /// The message as it was sent.
    pub(crate) fn decode(&self, stream: &str) -> sealmq_queue_core::Message {
        let fallback = fallback_id(stream, self.facts.sequence);
        wire::decode(self.message.headers.as_ref(), self.message.payload.clone(), &fallback)
    }

    /// What the broker says of the delivery.
    pub(crate) fn metadata(&self, channel: &Channel, lock: Option<Duration>) -> DeliveryMetadata {
        let mut metadata = DeliveryMetadata::new(self.broker_id(channel.stream()));
        metadata.sequence_number = Some(self.facts.sequence);
        metadata.delivery_count = u32::try_from(self.facts.delivered.max(1)).unwrap_or(u32::MAX);
        metadata.enqueued_at = Some(self.facts.stored_at);
        metadata.lock_duration = lock;
        metadata.dead_letter =
            channel.is_dead.then(|| wire::dead_letter_info(self.message.headers.as_ref()));
        metadata
    }
}

/// The broker's identity of a stored copy.
pub(crate) fn broker_id(stream: &str, sequence: u64, stored_at: SystemTime) -> String {
    let since = stored_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{stream}/{sequence}@{}", since.as_nanos())
}

/// The id of a message that has none of ours.
pub(crate) fn fallback_id(stream: &str, sequence: u64) -> String {
    let mut id = format!("{sequence}@{stream}");
    id.truncate(128); // encoded names are ASCII
    id
}
