//! What someone who can read the broker's storage sees.

use bytes::Bytes;
use sealmq_queue_core::{DeliveryMetadata, Message, Source};

use crate::entries::{Entry, State};
use crate::queue::Side;
use crate::shared_queue::Queue;

/// Where a stored message stands.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredStatus {
    /// Waits to be received.
    Ready,
    /// Is locked by a receiver.
    Locked,
    /// Is held back: scheduled, or abandoned with a delay.
    HeldBack,
    /// Was set aside.
    Deferred,
}

/// A message as the broker stores it.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct StoredMessage {
    /// The message, byte for byte.
    pub message: Message,
    /// What the broker knows of it; `delivery_count` counts the deliveries so far.
    pub metadata: DeliveryMetadata,
    /// The queue or dead-letter queue it is in.
    pub source: Source,
    /// Where it stands there.
    pub status: StoredStatus,
}

/// Everything stored in a queue and its dead-letter queue, in the order of each.
pub(crate) fn messages(queue: &Queue) -> Vec<StoredMessage> {
    queue.with(|state, _| {
        let main = state.main.entries().range(0);
        let main = main.map(|(n, entry)| stored(queue, Side::Main, n, entry));
        let dead = state.dead.entries().range(0);
        let dead = dead.map(|(n, entry)| stored(queue, Side::Dead, n, entry));
        main.chain(dead).collect()
    })
}

/// The state blob of every session that has one, by session id.
pub(crate) fn session_states(queue: &Queue) -> Vec<(String, Bytes)> {
    let mut states: Vec<_> = queue.with(|state, _| {
        let groups = state.main.groups().into_iter().flat_map(|g| g.iter());
        let blob = groups.filter_map(|g| Some((g.name.to_string(), g.state.clone()?)));
        blob.collect()
    });
    states.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    states
}

fn stored(queue: &Queue, side: Side, sequence: u64, entry: &Entry) -> StoredMessage {
    StoredMessage {
        message: entry.message.clone(),
        metadata: metadata(queue, side, sequence, entry),
        source: match side {
            Side::Main => Source::queue(&queue.name),
            Side::Dead => Source::dead_letter(&queue.name),
        },
        status: match entry.state {
            State::Ready => StoredStatus::Ready,
            State::Locked { .. } => StoredStatus::Locked,
            State::Held { .. } => StoredStatus::HeldBack,
            State::Deferred => StoredStatus::Deferred,
        },
    }
}

/// What the broker says of a message that is not being delivered.
pub(crate) fn metadata(
    queue: &Queue,
    side: Side,
    sequence: u64,
    entry: &Entry,
) -> DeliveryMetadata {
    let mut metadata = queue.metadata(side, sequence, entry.deliveries, entry.enqueued_at);
    metadata.dead_letter = entry.dead_letter.as_deref().cloned();
    metadata
}
