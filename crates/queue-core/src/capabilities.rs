//! What a transport can do, as data: the contract suite holds every claim to the test.

use std::time::Duration;

use crate::{Certainty, TransportError};

/// How a transport provides a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Support {
    /// Not at all: asking for it fails before any I/O.
    #[default]
    None,
    /// By the adapter, on top of other operations; documented where that costs atomicity.
    Emulated,
    /// By the broker.
    Native,
}

/// A feature that transports have or lack.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Feature {
    /// Settling a delivery at all: complete and abandon.
    Settlement,
    /// Holding an abandoned message back for a while.
    DelayedAbandon,
    /// Lengthening the lock on a delivery.
    ExtendLock,
    /// Moving a delivery to a dead-letter queue with a reason, and reading that queue.
    DeadLetter,
    /// Dead-lettering by itself once a message was delivered too often.
    MaxDeliveries,
    /// Counting deliveries exactly.
    DeliveryCount,
    /// Setting a delivery aside, to be fetched by its sequence number.
    Defer,
    /// Holding a sent message back until a time.
    ScheduledSend,
    /// Cancelling a message that is still held back.
    CancelScheduled,
    /// Expiry per message.
    TimeToLive,
    /// Sessions: exclusive, ordered receiving per session id.
    Sessions,
    /// A blob kept with each session.
    SessionState,
    /// Order within a session id, one message in flight per group, without accepting sessions.
    OrderedGroups,
    /// Dropping a message whose id was seen within a window.
    Deduplication,
    /// Looking at messages without locking them.
    Peek,
    /// Counting the messages that wait.
    Depth,
    /// Moving dead-lettered messages back to their queue.
    Redrive,
}

impl Feature {
    const COUNT: usize = Self::Redrive as usize + 1;

    /// The feature's name in errors and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Settlement => "settlement",
            Self::DelayedAbandon => "delayed abandon",
            Self::ExtendLock => "lock extension",
            Self::DeadLetter => "dead-lettering",
            Self::MaxDeliveries => "maximum delivery count",
            Self::DeliveryCount => "delivery count",
            Self::Defer => "deferral",
            Self::ScheduledSend => "scheduled send",
            Self::CancelScheduled => "cancelling a scheduled message",
            Self::TimeToLive => "time to live per message",
            Self::Sessions => "sessions",
            Self::SessionState => "session state",
            Self::OrderedGroups => "ordered groups",
            Self::Deduplication => "deduplication",
            Self::Peek => "peek",
            Self::Depth => "queue depth",
            Self::Redrive => "redrive",
        }
    }
}

/// What a crash of a consumer costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryGuarantee {
    /// A message is delivered again until it is settled.
    AtLeastOnce,
    /// A message is gone once it was handed out, or when nobody listened.
    AtMostOnce,
}

/// How a body looks on the wire; it decides how many bytes fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyEncoding {
    /// As it is.
    Binary,
    /// Canonical padded base64: four bytes for three.
    Base64,
}

/// The sizes and counts a transport accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Body as it is on the wire and all metadata together, in bytes.
    pub max_message_bytes: usize,
    /// How the body is put on the wire.
    pub body_encoding: BodyEncoding,
    /// Attributes per message, ours included.
    pub max_attributes: usize,
    /// Whether an attribute may have an empty value.
    pub empty_attribute_values: bool,
    /// Messages one broker request carries; larger batches are split by the adapter.
    pub max_batch_messages: usize,
    /// The longest delay of a scheduled send.
    pub max_delay: Duration,
    /// The longest lock, extensions included.
    pub max_lock: Duration,
}

impl Limits {
    /// The largest body in bytes that fits beside `metadata_bytes` of metadata.
    pub fn max_body_bytes(&self, metadata_bytes: usize) -> usize {
        let room = self.max_message_bytes.saturating_sub(metadata_bytes);
        match self.body_encoding {
            BodyEncoding::Binary => room,
            BodyEncoding::Base64 => room / 4 * 3,
        }
    }
}

impl Default for Limits {
    /// No limits: what an in-memory transport has unless it is told to imitate another.
    fn default() -> Self {
        Self {
            max_message_bytes: usize::MAX,
            body_encoding: BodyEncoding::Binary,
            max_attributes: usize::MAX,
            empty_attribute_values: true,
            max_batch_messages: usize::MAX,
            max_delay: Duration::MAX,
            max_lock: Duration::MAX,
        }
    }
}

/// What a transport can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The transport's name in errors, logs and reports.
    pub transport: &'static str,
    /// What a crash of a consumer costs.
    pub guarantee: DeliveryGuarantee,
    /// How sure a successful settlement is.
    pub settlement_certainty: Certainty,
    /// Whether settling after the lock was lost fails with `LockLost`; `false` means that it
    /// goes unnoticed.
    pub detects_lost_lock: bool,
    /// Whether a holder whose lock was lost can no longer settle the next holder's delivery.
    pub fences_stale_holder: bool,
    /// Sizes and counts.
    pub limits: Limits,
    support: [Support; Feature::COUNT],
}

impl Capabilities {
    /// An at-least-once transport with confirmed settlement, no limits and no features yet.
    pub fn new(transport: &'static str) -> Self {
        Self {
            transport,
            guarantee: DeliveryGuarantee::AtLeastOnce,
            settlement_certainty: Certainty::Confirmed,
            detects_lost_lock: true,
            fences_stale_holder: true,
            limits: Limits::default(),
            support: [Support::None; Feature::COUNT],
        }
    }

    /// The same capabilities with this feature provided this way.
    #[must_use]
    pub fn with(mut self, feature: Feature, support: Support) -> Self {
        self.support[feature as usize] = support;
        self
    }

    /// How the transport provides a feature.
    pub fn support(&self, feature: Feature) -> Support {
        self.support[feature as usize]
    }

    /// Whether the transport provides a feature, natively or emulated.
    pub fn has(&self, feature: Feature) -> bool {
        self.support(feature) != Support::None
    }

    /// Refuses what the transport does not have.
    ///
    /// # Errors
    /// `Unsupported`, permanent.
    pub fn require(&self, feature: Feature) -> Result<(), TransportError> {
        if self.has(feature) {
            Ok(())
        } else {
            Err(TransportError::unsupported(self.transport, feature.name()))
        }
    }
}
