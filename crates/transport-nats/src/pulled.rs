//! A message as it came from the server, with what the server says of its delivery.

use std::time::SystemTime;

use async_nats::jetstream::message::Info;
use async_nats::{Message as NatsMessage, jetstream};
use tokio::time::Instant;

use crate::wire;

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
