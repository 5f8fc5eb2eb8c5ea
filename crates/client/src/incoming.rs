//! What a receive returns: messages that were opened, and messages that were not.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use sealmq_crypto_core::CryptoError;
use sealmq_queue_core::{Attributes, Certainty, DeliveryMetadata, Message, Receipt};

use crate::bodies::Opened;
use crate::bound::{TRACEPARENT, split_attributes};
use crate::receipt::{FailedSettlement, MessageReceipt};

/// The outcome of receiving one message. One bad message fails neither its batch nor its session.
pub type Received = Result<ReceivedMessage, Box<RejectedMessage>>;

/// A message, opened.
pub struct IncomingMessage {
    /// The message with its plaintext body. If it was sealed, everything in it is authentic,
    /// attributes included.
    pub message: Message,
    /// Attributes that the seal does not cover: anyone on the way may have added or changed them.
    /// Empty for a message that was not sealed, since nothing of it is authentic.
    pub unauthenticated_attributes: Attributes,
    /// What the broker says of the delivery; not authentic.
    pub metadata: Arc<DeliveryMetadata>,
    pub(crate) seal: Option<Seal>,
}

/// What is known of the seal of a message.
#[derive(Debug, Clone)]
pub(crate) struct Seal {
    pub(crate) key_label: Arc<str>,
    pub(crate) encrypted_at_ms: u64,
}

impl IncomingMessage {
    /// The plaintext body.
    pub fn body(&self) -> &Bytes {
        &self.message.body
    }

    /// Whether the message was sealed.
    pub fn is_encrypted(&self) -> bool {
        self.seal.is_some()
    }

    /// The key id or KEK alias that opened it.
    pub fn key_id(&self) -> Option<&str> {
        self.seal.as_ref().map(|seal| &*seal.key_label)
    }

    /// When it was sealed; authentic.
    pub fn encrypted_at(&self) -> Option<SystemTime> {
        let seal = self.seal.as_ref()?;
        UNIX_EPOCH.checked_add(Duration::from_millis(seal.encrypted_at_ms))
    }

    /// The trace context it came with (W3C `traceparent`); never authentic.
    pub fn traceparent(&self) -> Option<&str> {
        let attributes = if self.is_encrypted() {
            &self.unauthenticated_attributes
        } else {
            &self.message.attributes
        };
        attributes.get(TRACEPARENT).map(String::as_str)
    }
}

/// The message as its receiver sees it; its age was judged before, or is not to be.
pub(crate) fn incoming(mut message: Message, receipt: &Receipt, opened: Opened) -> IncomingMessage {
    let metadata = receipt.shared_metadata();
    let (seal, unauthenticated_attributes) = match opened {
        Opened::Plain(_) => (None, Default::default()),
        Opened::Sealed { sealed, bound } => {
            let seal = Seal {
                key_label: Arc::clone(sealed.key_label()),
                encrypted_at_ms: sealed.encrypted_at_ms(),
            };
            message.body = sealed.danger_release_at_any_age();
            let attributes = std::mem::take(&mut message.attributes);
            let (authenticated, others) = split_attributes(attributes, &bound);
            message.attributes = authenticated;
            (Some(seal), others)
        }
    };
    IncomingMessage { message, unauthenticated_attributes, metadata, seal }
}

/// Shows metadata, never the body.
impl fmt::Debug for IncomingMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncomingMessage")
            .field("message", &self.message)
            .field("encrypted", &self.is_encrypted())
            .field("key_id", &self.key_id())
            .finish_non_exhaustive()
    }
}

/// A message that was opened, with the right to settle it.
#[derive(Debug)]
pub struct ReceivedMessage {
    /// The message.
    pub message: IncomingMessage,
    /// The right to settle it, once.
    pub receipt: MessageReceipt,
}

impl ReceivedMessage {
    /// The plaintext body.
    pub fn body(&self) -> &Bytes {
        self.message.body()
    }

    /// The work is done: the message leaves the queue and will not be accepted again.
    ///
    /// # Errors
    /// See [`MessageReceipt::complete`].
    pub async fn complete(self) -> Result<Certainty, FailedSettlement> {
        self.receipt.complete().await
    }

    /// Makes the message receivable again after `delay`.
    ///
    /// # Errors
    /// See [`MessageReceipt::abandon`].
    pub async fn abandon(self, delay: Duration) -> Result<Certainty, FailedSettlement> {
        self.receipt.abandon(delay).await
    }

    /// Moves the message, still sealed, to the dead-letter queue.
    ///
    /// # Errors
    /// See [`MessageReceipt::dead_letter`].
    pub async fn dead_letter(
        self,
        reason: &str,
        description: &str,
    ) -> Result<Certainty, FailedSettlement> {
        self.receipt.dead_letter(reason, description).await
    }
}

/// What became of a message that was not handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectionOutcome {
    /// It can never be opened: it is in the dead-letter queue, still sealed, with the error's
    /// code as the reason.
    DeadLettered,
    /// It may open later: it is back in the queue and held back for a while.
    Abandoned {
        /// How long it is held back.
        delay: Duration,
    },
    /// It was completed before and had come again: the broker has now been told.
    CompletedBefore,
    /// It was not settled: the receipt is there, or the transport has no settlement.
    Unsettled,
}

/// A message that was not handed out.
#[derive(Debug)]
pub struct RejectedMessage {
    /// Why.
    pub error: CryptoError,
    /// The message as it arrived, sealed; nothing in it is authentic.
    pub message: Message,
    /// What the broker says of the delivery.
    pub metadata: Arc<DeliveryMetadata>,
    /// What became of it.
    pub outcome: RejectionOutcome,
    /// The right to settle it, where the client has not done so.
    pub receipt: Option<MessageReceipt>,
}
