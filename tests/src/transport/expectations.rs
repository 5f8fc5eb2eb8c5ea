//! What the contract lets transports differ in, as data: so that a claim is tested, not assumed.

use sealmq_queue_core::{Capabilities, Certainty};

/// What settling a delivery whose lock has run out comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterLockLost {
    /// It fails with `LockLost`.
    LockLost,
    /// It seems to work: the broker does not tell.
    Undetected,
}

/// What the settlement of a former holder does to the delivery of the present one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaleHolder {
    /// Nothing.
    Fenced,
    /// It settles it: a known weakness of the broker, kept here to notice when it goes away.
    Violates,
    /// The broker promises neither.
    Unspecified,
}

/// What becomes of messages that a consumer is too slow for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlowConsumer {
    /// They wait.
    Keeps,
    /// Some may be dropped.
    MayDrop,
}

/// What a transport promises where transports differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectations {
    /// Settling after the lock was lost.
    pub after_lock_lost: AfterLockLost,
    /// A former holder that settles.
    pub stale_holder: StaleHolder,
    /// How sure a successful settlement is.
    pub certainty: Certainty,
    /// The reason that stands on a message after too many deliveries, where the broker gives one.
    pub exhausted_reason: Option<&'static str>,
    /// Whether the receipt of a dropped duplicate says that it is one.
    pub reports_duplicates: bool,
    /// Whether the broker takes or refuses the messages of one request as a whole.
    pub refuses_whole_requests: bool,
    /// Whether a queue is there because, and as long as, somebody listens to it.
    pub listening_makes_queues: bool,
    /// Messages nobody fetches.
    pub slow_consumer: SlowConsumer,
}

impl Expectations {
    /// What the capabilities declare; the rest as the strictest transports promise it. A harness
    /// changes what its broker does otherwise.
    pub fn declared_by(capabilities: &Capabilities) -> Self {
        Self {
            after_lock_lost: match capabilities.detects_lost_lock {
                true => AfterLockLost::LockLost,
                false => AfterLockLost::Undetected,
            },
            stale_holder: match capabilities.fences_stale_holder {
                true => StaleHolder::Fenced,
                false => StaleHolder::Unspecified,
            },
            certainty: capabilities.settlement_certainty,
            exhausted_reason: None,
            reports_duplicates: true,
            refuses_whole_requests: false,
            listening_makes_queues: false,
            slow_consumer: SlowConsumer::Keeps,
        }
    }
}
