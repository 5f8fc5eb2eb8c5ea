//! One side of a queue as receivers and settlers see it: its stream, its consumer, its rules.

use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use bytes::Bytes;
use sealmq_queue_core::{DeliveryMetadata, Source, TransportError};
use tokio::time::Instant;

use crate::jetstream::JetStream;
use crate::layout::{self, Layout};
use crate::names::QueueNames;
use crate::pulled::Pulled;
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
            let consumer = layout::consumer(&jetstream.consumer, partition);
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

    /// What the broker says of a delivery.
    pub(crate) fn metadata(&self, pulled: &Pulled, lock: Option<Duration>) -> DeliveryMetadata {
        let mut metadata = DeliveryMetadata::new(pulled.broker_id(self.stream()));
        metadata.sequence_number = Some(pulled.facts.sequence);
        metadata.delivery_count = u32::try_from(pulled.facts.delivered.max(1)).unwrap_or(u32::MAX);
        metadata.enqueued_at = Some(pulled.facts.stored_at);
        metadata.lock_duration = lock;
        metadata.dead_letter =
            self.is_dead.then(|| wire::dead_letter_info(pulled.message.headers.as_ref()));
        metadata
    }
}
