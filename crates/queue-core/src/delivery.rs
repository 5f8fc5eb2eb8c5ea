//! A delivered message and the receipt that settles it exactly once.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::{Message, TransportError};

/// How sure a settlement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// The broker said that it settled the message.
    Confirmed,
    /// The settlement was handed over; the broker does not say whether it could be done.
    Sent,
}

/// What becomes of a delivery.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// The work is done: the message leaves the queue.
    Complete,
    /// Not done: the message becomes receivable again after `delay`.
    Abandon {
        /// How long the message is held back; zero makes it receivable at once.
        delay: Duration,
    },
    /// Never to be delivered again: the message moves to the dead-letter queue as it is.
    DeadLetter {
        /// A short code to count and filter by.
        reason: String,
        /// A sentence for a person.
        description: String,
    },
    /// Set aside: only receivable by its sequence number.
    Defer,
}

/// Why a message is in the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeadLetterInfo {
    /// The code given when it was moved, or the broker's own.
    pub reason: Option<String>,
    /// The sentence given when it was moved.
    pub description: Option<String>,
}

/// What the broker says of a delivery. None of it is authenticated.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryMetadata {
    /// The broker's own identity of the stored message: equal across redeliveries of one copy,
    /// different for another copy of the same bytes.
    pub broker_id: String,
    /// Where the message stands in the queue, for deferral and peeking.
    pub sequence_number: Option<u64>,
    /// How often the message was delivered, this delivery included.
    pub delivery_count: u32,
    /// When the broker accepted the message.
    pub enqueued_at: Option<SystemTime>,
    /// How long this delivery is locked from the moment it was handed out; `None` without locks.
    pub lock_duration: Option<Duration>,
    /// Set on messages read from a dead-letter queue.
    pub dead_letter: Option<DeadLetterInfo>,
}

impl DeliveryMetadata {
    /// Metadata of a first delivery of the broker's message `broker_id`.
    pub fn new(broker_id: impl Into<String>) -> Self {
        Self {
            broker_id: broker_id.into(),
            sequence_number: None,
            delivery_count: 1,
            enqueued_at: None,
            lock_duration: None,
            dead_letter: None,
        }
    }
}

/// The adapter's half of a receipt: settles one delivery with the broker.
#[async_trait]
pub trait Settler: Send + Sync {
    /// Settles the delivery.
    ///
    /// # Errors
    /// `LockLost` where the broker tells, `Unsupported` before any I/O, `Unavailable` when the
    /// broker could not be reached: then the delivery is not settled and the call may be repeated.
    async fn settle(&self, settlement: Settlement) -> Result<Certainty, TransportError>;

    /// Locks the delivery for `duration` from now.
    ///
    /// # Errors
    /// As [`Settler::settle`], and `InvalidInput` when the duration is over the limit.
    async fn extend(&self, duration: Duration) -> Result<(), TransportError>;
}

/// The right to settle one delivery, once.
///
/// # Contract
/// - Settling takes the receipt by value: a second settlement does not compile.
/// - A settlement that fails gives the receipt back, to try again.
/// - A receipt that is dropped settles nothing: the lock runs out and the message comes again.
///
/// ```compile_fail
/// # async fn twice(receipt: sealmq_queue_core::Receipt) {
/// receipt.complete().await;
/// receipt.complete().await; // the receipt was moved
/// # }
/// ```
pub struct Receipt {
    metadata: Arc<DeliveryMetadata>,
    settler: Box<dyn Settler>,
}

impl Receipt {
    /// A receipt for the delivery that `settler` settles.
    pub fn new(metadata: DeliveryMetadata, settler: Box<dyn Settler>) -> Self {
        Self { metadata: Arc::new(metadata), settler }
    }

    /// What the broker says of the delivery.
    pub fn metadata(&self) -> &DeliveryMetadata {
        &self.metadata
    }

    /// What the broker says of the delivery, to keep beyond the settlement.
    pub fn shared_metadata(&self) -> Arc<DeliveryMetadata> {
        Arc::clone(&self.metadata)
    }

    /// Settles the delivery as said.
    ///
    /// # Errors
    /// See [`Settler::settle`]; the error gives the receipt back.
    pub async fn settle(self, settlement: Settlement) -> Result<Certainty, SettleError> {
        match self.settler.settle(settlement).await {
            Ok(certainty) => Ok(certainty),
            Err(error) => Err(SettleError { error, receipt: Box::new(self) }),
        }
    }

    /// Takes the message off the queue: its work is done.
    ///
    /// # Errors
    /// See [`Settler::settle`]; the error gives the receipt back.
    pub async fn complete(self) -> Result<Certainty, SettleError> {
        self.settle(Settlement::Complete).await
    }

    /// Makes the message receivable again after `delay`.
    ///
    /// # Errors
    /// See [`Settler::settle`]; the error gives the receipt back.
    pub async fn abandon(self, delay: Duration) -> Result<Certainty, SettleError> {
        self.settle(Settlement::Abandon { delay }).await
    }

    /// Moves the message to the dead-letter queue.
    ///
    /// # Errors
    /// See [`Settler::settle`]; the error gives the receipt back.
    pub async fn dead_letter(
        self,
        reason: impl Into<String> + Send,
        description: impl Into<String> + Send,
    ) -> Result<Certainty, SettleError> {
        let (reason, description) = (reason.into(), description.into());
        self.settle(Settlement::DeadLetter { reason, description }).await
    }

    /// Sets the message aside, to be received by its sequence number.
    ///
    /// # Errors
    /// See [`Settler::settle`]; the error gives the receipt back.
    pub async fn defer(self) -> Result<Certainty, SettleError> {
        self.settle(Settlement::Defer).await
    }

    /// Locks the delivery for `duration` from now.
    ///
    /// # Errors
    /// See [`Settler::extend`].
    pub async fn extend(&self, duration: Duration) -> Result<(), TransportError> {
        self.settler.extend(duration).await
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt").field("metadata", &self.metadata).finish_non_exhaustive()
    }
}

/// A settlement that failed, with the receipt to try again.
#[derive(Debug)]
pub struct SettleError {
    /// Why it failed.
    pub error: TransportError,
    /// The delivery, not settled as far as the adapter knows.
    pub receipt: Box<Receipt>,
}

impl fmt::Display for SettleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the delivery was not settled")
    }
}

impl std::error::Error for SettleError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// A message handed out by the broker, and the receipt to settle it with.
#[derive(Debug)]
pub struct Delivery {
    /// The message as the broker stored it.
    pub message: Message,
    /// The right to settle it.
    pub receipt: Receipt,
}
