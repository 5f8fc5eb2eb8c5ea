//! What a queue is like: its kind, its times and its bounds.

use std::time::Duration;

use sealmq_queue_core::{Capabilities, Feature, TransportError};

/// How a queue hands its messages out.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueueKind {
    /// To whoever asks, oldest first.
    #[default]
    Standard,
    /// In order within a session id: while one message of a group is in flight, or waits for its
    /// retry, the rest of the group waits too. Every message needs a session id.
    OrderedGroups,
    /// To the holder of the session only, in order. Every message needs a session id.
    Sessions,
}

/// The settings of one queue.
///
/// ```
/// use std::time::Duration;
/// use sealmq_transport_memory::{QueueKind, QueueSettings};
///
/// let settings = QueueSettings::default()
///     .with_kind(QueueKind::OrderedGroups)
///     .with_lock_duration(Duration::from_secs(60))
///     .with_max_deliveries(3);
/// assert_eq!(settings.max_deliveries, Some(3));
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSettings {
    /// How messages are handed out.
    pub kind: QueueKind,
    /// How long a delivery, or a session, is locked unless its receiver says otherwise; 30 s.
    pub lock_duration: Duration,
    /// After so many deliveries that were not completed a message is dead-lettered with reason
    /// `MaxDeliveryCountExceeded`; 10, and `None` is never.
    pub max_deliveries: Option<u32>,
    /// How long a message id is remembered and a second message of that id dropped; off.
    pub deduplication_window: Option<Duration>,
    /// Time to live of messages that do not bring their own; none.
    pub default_time_to_live: Option<Duration>,
    /// Whether expired messages are dead-lettered with reason `TTLExpiredException`; they are
    /// dropped otherwise.
    pub dead_letter_expired: bool,
    /// How many messages the queue stores, whatever their state, its dead-letter queue apart. A
    /// full queue refuses further messages with `Throttled`; no bound.
    pub max_messages: Option<usize>,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            kind: QueueKind::Standard,
            lock_duration: Duration::from_secs(30),
            max_deliveries: Some(10),
            deduplication_window: None,
            default_time_to_live: None,
            dead_letter_expired: false,
            max_messages: None,
        }
    }
}

impl QueueSettings {
    /// The same settings with messages handed out this way.
    #[must_use]
    pub fn with_kind(mut self, kind: QueueKind) -> Self {
        self.kind = kind;
        self
    }

    /// The same settings with locks of this duration.
    #[must_use]
    pub fn with_lock_duration(mut self, lock_duration: Duration) -> Self {
        self.lock_duration = lock_duration;
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
    pub fn with_deduplication_window(mut self, window: impl Into<Option<Duration>>) -> Self {
        self.deduplication_window = window.into();
        self
    }

    /// The same settings with this time to live for messages without their own.
    #[must_use]
    pub fn with_default_time_to_live(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        self.default_time_to_live = ttl.into();
        self
    }

    /// The same settings with expired messages dead-lettered, or dropped.
    #[must_use]
    pub fn with_dead_letter_expired(mut self, dead_letter_expired: bool) -> Self {
        self.dead_letter_expired = dead_letter_expired;
        self
    }

    /// The same settings with room for this many messages; `None` for any number.
    #[must_use]
    pub fn with_max_messages(mut self, max_messages: impl Into<Option<usize>>) -> Self {
        self.max_messages = max_messages.into();
        self
    }

    pub(crate) fn validate(&self, capabilities: &Capabilities) -> Result<(), TransportError> {
        match self.kind {
            QueueKind::Standard => {}
            QueueKind::OrderedGroups => capabilities.require(Feature::OrderedGroups)?,
            QueueKind::Sessions => capabilities.require(Feature::Sessions)?,
        }
        if self.deduplication_window.is_some() {
            capabilities.require(Feature::Deduplication)?;
        }
        check_lock_duration("lock_duration", self.lock_duration, capabilities)?;
        let zeros = [
            ("max_deliveries", self.max_deliveries == Some(0)),
            ("deduplication_window", self.deduplication_window == Some(Duration::ZERO)),
            ("default_time_to_live", self.default_time_to_live == Some(Duration::ZERO)),
            ("max_messages", self.max_messages == Some(0)),
        ];
        match zeros.into_iter().find(|(_, is_zero)| *is_zero) {
            Some((field, _)) => Err(TransportError::invalid_input(field, "must not be zero")),
            None => Ok(()),
        }
    }
}

/// Refuses a lock of no time or over the transport's limit, naming `field`.
pub(crate) fn check_lock_duration(
    field: &'static str,
    duration: Duration,
    capabilities: &Capabilities,
) -> Result<(), TransportError> {
    let max = capabilities.limits.max_lock;
    if duration.is_zero() {
        return Err(TransportError::invalid_input(field, "must not be zero"));
    }
    if duration > max {
        let reason = format!("at most {} s", max.as_secs());
        return Err(TransportError::invalid_input(field, reason));
    }
    Ok(())
}
