//! What a queue is like: its times, its bounds and how it is stored.

use std::time::Duration;

use sealmq_queue_core::TransportError;

use crate::capabilities::LONGEST_TIME;
use crate::layout::MOST_PARTITIONS;

/// Where the server keeps a queue.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NatsStorage {
    /// On disk: an accepted message survives a restart.
    #[default]
    File,
    /// In memory: a restart of all replicas loses the queue.
    Memory,
}

/// The settings of one queue: two streams, for its messages and for its dead letters, each with a
/// durable pull consumer that all receivers share.
///
/// ```
/// use std::time::Duration;
/// use sealmq_transport_nats::NatsQueueSettings;
///
/// let settings = NatsQueueSettings::default()
///     .with_ack_wait(Duration::from_secs(60))
///     .with_max_deliveries(3);
/// assert_eq!(settings.max_deliveries, Some(3));
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsQueueSettings {
    /// How long a delivery is locked; 30 s.
    pub ack_wait: Duration,
    /// After so many deliveries that were not completed a message is dead-lettered with reason
    /// `MaxDeliveryCountExceeded`; 10, and `None` is never. The adapter does it when the message
    /// comes once more: the server's own limit would leave it in the stream, out of reach.
    pub max_deliveries: Option<u32>,
    /// How long a message id is remembered and a second message of that id dropped; 2 min. The
    /// server has no way to turn it off, 100 ms is the least.
    pub duplicate_window: Duration,
    /// On how many servers of a cluster the queue is stored; 1.
    pub replicas: usize,
    /// Where it is stored.
    pub storage: NatsStorage,
    /// How many deliveries may be locked at a time, over all receivers; 1,000.
    pub max_ack_pending: u32,
    /// Over how many partitions the ordered groups of the queue are spread, 1 to 64; no groups. Every
    /// message then needs a session id, each session id has a subject of its own, and messages of
    /// one session id are handed out one after the other. Session ids that share a partition wait
    /// for each other: the more partitions, the fewer do, and the more a receiver has to ask for.
    /// It cannot be changed once the queue exists. [`NatsQueueSettings::max_ack_pending`] is one for
    /// each partition then, and nothing is fetched ahead.
    pub ordered_groups: Option<u16>,
    /// How many messages the queue stores, locked and held back ones included, its dead letters
    /// apart. A full queue refuses further messages with `Throttled`; no bound. A bounded queue
    /// cannot hold messages back: NATS has the one or the other, and refuses a delay with
    /// `Unsupported`.
    pub max_messages: Option<u32>,
    /// After what time a message is dropped unread; never.
    pub max_age: Option<Duration>,
    /// After what time a dead letter is dropped; never.
    pub dead_letter_max_age: Option<Duration>,
}

impl Default for NatsQueueSettings {
    fn default() -> Self {
        Self {
            ack_wait: Duration::from_secs(30),
            max_deliveries: Some(10),
            duplicate_window: Duration::from_secs(120),
            replicas: 1,
            storage: NatsStorage::File,
            max_ack_pending: 1_000,
            ordered_groups: None,
            max_messages: None,
            max_age: None,
            dead_letter_max_age: None,
        }
    }
}

impl NatsQueueSettings {
    /// The same settings with deliveries locked this long.
    #[must_use]
    pub fn with_ack_wait(mut self, ack_wait: Duration) -> Self {
        self.ack_wait = ack_wait;
        self
    }

    /// The same settings with at most this many deliveries; `None` for any number.
    #[must_use]
    pub fn with_max_deliveries(mut self, max_deliveries: impl Into<Option<u32>>) -> Self {
        self.max_deliveries = max_deliveries.into();
        self
    }

    /// The same settings with message ids remembered this long.
    #[must_use]
    pub fn with_duplicate_window(mut self, window: Duration) -> Self {
        self.duplicate_window = window;
        self
    }

    /// The same settings, stored on this many servers.
    #[must_use]
    pub fn with_replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// The same settings, stored there.
    #[must_use]
    pub fn with_storage(mut self, storage: NatsStorage) -> Self {
        self.storage = storage;
        self
    }

    /// The same settings with at most this many deliveries locked at a time.
    #[must_use]
    pub fn with_max_ack_pending(mut self, deliveries: u32) -> Self {
        self.max_ack_pending = deliveries;
        self
    }

    /// The same settings with ordered groups, spread over so many partitions; `None` for no groups.
    #[must_use]
    pub fn with_ordered_groups(mut self, partitions: impl Into<Option<u16>>) -> Self {
        self.ordered_groups = partitions.into();
        self
    }

    /// The same settings with room for this many messages; `None` for any number.
    #[must_use]
    pub fn with_max_messages(mut self, max_messages: impl Into<Option<u32>>) -> Self {
        self.max_messages = max_messages.into();
        self
    }

    /// The same settings with messages dropped unread after this time; `None` for never.
    #[must_use]
    pub fn with_max_age(mut self, max_age: impl Into<Option<Duration>>) -> Self {
        self.max_age = max_age.into();
        self
    }

    /// The same settings with dead letters dropped after this time; `None` for never.
    #[must_use]
    pub fn with_dead_letter_max_age(mut self, max_age: impl Into<Option<Duration>>) -> Self {
        self.dead_letter_max_age = max_age.into();
        self
    }

    /// Checks every field, without any I/O.
    ///
    /// # Errors
    /// `InvalidInput` with the field to mend, permanent.
    pub(crate) fn validate(&self) -> Result<(), TransportError> {
        let shortest_window = Duration::from_millis(100);
        let ages = [self.max_age, self.dead_letter_max_age];
        let rules = [
            ("ack_wait", self.ack_wait >= Duration::from_millis(1), "1 ms or more"),
            ("ack_wait", self.ack_wait <= LONGEST_TIME, "ten years or less"),
            ("max_deliveries", self.max_deliveries != Some(0), "must not be zero"),
            ("duplicate_window", self.duplicate_window >= shortest_window, "100 ms or more"),
            (
                "duplicate_window",
                ages.into_iter().flatten().all(|age| self.duplicate_window <= age),
                "must not be longer than messages are kept",
            ),
            ("duplicate_window", self.duplicate_window <= LONGEST_TIME, "ten years or less"),
            ("max_age", self.max_age.is_none_or(|age| age <= LONGEST_TIME), "ten years or less"),
            (
                "dead_letter_max_age",
                self.dead_letter_max_age.is_none_or(|age| age <= LONGEST_TIME),
                "ten years or less",
            ),
            ("replicas", (1..=5).contains(&self.replicas), "1 to 5"),
            ("max_ack_pending", self.max_ack_pending != 0, "must not be zero"),
            (
                "ordered_groups",
                self.ordered_groups.is_none_or(|count| (1..=MOST_PARTITIONS).contains(&count)),
                "1 to 64",
            ),
            ("max_messages", self.max_messages != Some(0), "must not be zero"),
        ];
        match rules.into_iter().find(|(_, holds, _)| !holds) {
            Some((field, _, reason)) => Err(TransportError::invalid_input(field, reason)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use sealmq_queue_core::TransportErrorKind;

    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert!(NatsQueueSettings::default().validate().is_ok());
    }

    #[test]
    fn each_field_is_checked_by_name() {
        let new = NatsQueueSettings::default;
        let cases = [
            ("ack_wait", new().with_ack_wait(Duration::from_micros(999))),
            ("ack_wait", new().with_ack_wait(Duration::MAX)),
            ("max_deliveries", new().with_max_deliveries(0)),
            ("duplicate_window", new().with_duplicate_window(Duration::ZERO)),
            ("duplicate_window", new().with_max_age(Duration::from_secs(60))),
            ("duplicate_window", new().with_dead_letter_max_age(Duration::from_secs(60))),
            ("replicas", new().with_replicas(0)),
            ("max_ack_pending", new().with_max_ack_pending(0)),
            ("ordered_groups", new().with_ordered_groups(0)),
            ("ordered_groups", new().with_ordered_groups(65)),
            ("max_messages", new().with_max_messages(0)),
        ];
        for (field, settings) in cases {
            let error = settings.validate().unwrap_err();
            assert_eq!(error.kind(), &TransportErrorKind::InvalidInput { field });
        }
    }
}
