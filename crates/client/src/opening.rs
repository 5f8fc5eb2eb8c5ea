//! The way in: tell sealed from plain, open, judge age and replay, settle what cannot be opened.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sealmq_crypto_core::format::{Frame, Marker, dearmour, find_marker};
use sealmq_crypto_core::{
    CryptoError, CryptoErrorKind, DeliveryIdentity, EncryptedMessage, OpenedMessage,
    PlaintextVerdict, Reservation,
};
use sealmq_queue_core::{Delivery, Feature, Message, Receipt};

use crate::bound::{BOUND_ATTRIBUTE, context_of, split_attributes};
use crate::client::QueueContext;
use crate::events::{self, Subject};
use crate::incoming::{
    IncomingMessage, Received, ReceivedMessage, RejectedMessage, RejectionOutcome, Seal,
};
use crate::receipt::{MessageReceipt, ReplayReservation};

/// How long a reservation lasts on a transport without locks.
const DEFAULT_LEASE: Duration = Duration::from_secs(60);

/// A message that opened, before its replay was judged.
enum Opened {
    Plain(PlaintextVerdict),
    Sealed { sealed: OpenedMessage, bound: String },
}

/// Why a message is not handed out.
enum Refusal {
    Error(CryptoError),
    /// The same copy was completed before; the broker has not heard of it.
    CompletedBefore,
}

impl From<CryptoError> for Refusal {
    fn from(error: CryptoError) -> Self {
        Self::Error(error)
    }
}

impl QueueContext {
    /// Opens what the broker handed out, each message for itself.
    pub(crate) async fn open_deliveries(
        self: &Arc<Self>,
        deliveries: Vec<Delivery>,
    ) -> Vec<Received> {
        let started = Instant::now();
        let count = deliveries.len();
        let mut received = Vec::with_capacity(count);
        for Delivery { message, receipt } in deliveries {
            received.push(self.open_delivery(message, receipt).await);
        }
        self.metrics.opened(started.elapsed(), count);
        received
    }

    async fn open_delivery(self: &Arc<Self>, message: Message, receipt: Receipt) -> Received {
        let opened = match self.open_body(&message).await {
            Ok(opened) => opened,
            Err(error) => return self.reject(message, receipt, Refusal::Error(error)).await,
        };
        match self.admit(opened, &receipt).await {
            Ok((opened, reservation)) => Ok(self.hand_out(message, receipt, opened, reservation)),
            Err(refusal) => self.reject(message, receipt, refusal).await,
        }
    }

    /// Opens a message of a dead-letter queue: authentic, of any age, delivered before or not.
    pub(crate) async fn open_for_inspection(
        &self,
        message: Message,
        receipt: &Receipt,
    ) -> Result<IncomingMessage, CryptoError> {
        let opened = match self.open_body(&message).await? {
            Opened::Plain(verdict) => Admitted::Plain(verdict),
            Opened::Sealed { sealed, bound } => admitted_at_any_age(sealed, bound),
        };
        Ok(incoming(message, receipt, opened))
    }

    /// Authenticates and decrypts. A plaintext is judged by its first bytes alone, so that a
    /// policy that refuses it does so before anything parses it.
    async fn open_body(&self, message: &Message) -> Result<Opened, CryptoError> {
        let frame = match find_marker(&message.body) {
            Marker::None => {
                let now_ms = self.shared.clock.unix_ms();
                return self.shared.config.check_received_plaintext(now_ms).map(Opened::Plain);
            }
            Marker::Binary => message.body.clone(),
            Marker::Armoured => Bytes::from(dearmour(&message.body)?),
        };
        let sealed = EncryptedMessage::parse(frame)?;
        let bound = message.attributes.get(BOUND_ATTRIBUTE).cloned().unwrap_or_default();
        // What the broker says of a message cannot fail to be a context by the sender's doing
        // alone; if it does, the message is not what was sealed.
        let context = context_of(&self.scope, message, &bound)
            .map_err(|_| CryptoError::new(CryptoErrorKind::AuthenticationFailed))?;
        let Some(crypto) = &self.shared.crypto else {
            let key_id = Frame::parse(sealed.as_bytes())?.key_reference().label().to_owned();
            return Err(CryptoError::new(CryptoErrorKind::KeyNotFound { key_id }));
        };
        let sealed = crypto.decrypt(sealed, &context).await?;
        Ok(Opened::Sealed { sealed, bound })
    }

    /// Judges age and replay, on values that are authentic by now, and releases the plaintext.
    async fn admit(
        &self,
        opened: Opened,
        receipt: &Receipt,
    ) -> Result<(Admitted, Option<ReplayReservation>), Refusal> {
        let (sealed, bound) = match opened {
            Opened::Plain(verdict) => return Ok((Admitted::Plain(verdict), None)),
            Opened::Sealed { sealed, bound } => (sealed, bound),
        };
        let config = &self.shared.config;
        if let Some(freshness) = &config.freshness {
            freshness.check(sealed.encrypted_at_ms(), self.shared.clock.unix_ms())?;
        }
        let reservation = match &self.shared.replay_guard {
            Some(guard) => {
                let nonce = sealed.nonce();
                let identity = DeliveryIdentity::new(&receipt.metadata().broker_id);
                let lease = receipt.metadata().lock_duration.unwrap_or(DEFAULT_LEASE);
                let granted = guard.reserve(&nonce, &identity, lease, config.nonce_ttl).await;
                match granted.map_err(CryptoError::unavailable)? {
                    Reservation::Granted => {}
                    Reservation::Completed => return Err(Refusal::CompletedBefore),
                    Reservation::Replayed => {
                        return Err(CryptoError::new(CryptoErrorKind::Replayed).into());
                    }
                }
                Some(ReplayReservation { guard: Arc::clone(guard), nonce, identity })
            }
            None => None,
        };
        Ok((admitted_at_any_age(sealed, bound), reservation))
    }

    fn hand_out(
        self: &Arc<Self>,
        message: Message,
        receipt: Receipt,
        opened: Admitted,
        reservation: Option<ReplayReservation>,
    ) -> ReceivedMessage {
        let verdict = match &opened {
            Admitted::Plain(verdict) => Some(*verdict),
            Admitted::Sealed { .. } => None,
        };
        let message = incoming(message, &receipt, opened);
        let subject = self.subject(&message.message);
        match verdict {
            Some(verdict) => events::received_plaintext(&subject, verdict),
            None => events::received_sealed(&subject, message.key_id().unwrap_or("")),
        }
        self.metrics.received(message.is_encrypted(), 1);
        let receipt = MessageReceipt { receipt, reservation, queue: Arc::clone(self) };
        ReceivedMessage { message, receipt }
    }

    async fn reject(
        self: &Arc<Self>,
        message: Message,
        receipt: Receipt,
        refusal: Refusal,
    ) -> Received {
        let metadata = receipt.metadata().clone();
        let receipt = MessageReceipt { receipt, reservation: None, queue: Arc::clone(self) };
        let (error, outcome, receipt) = match refusal {
            Refusal::CompletedBefore => {
                let settled = receipt.complete().await;
                let (outcome, receipt) = outcome_of(settled, RejectionOutcome::CompletedBefore);
                (CryptoError::new(CryptoErrorKind::Replayed), outcome, receipt)
            }
            Refusal::Error(error) => {
                self.metrics.crypto_error(&error);
                events::rejected(&self.subject(&message), &error);
                let (outcome, receipt) = self.settle_rejected(&error, receipt).await;
                (error, outcome, receipt)
            }
        };
        Err(Box::new(RejectedMessage { error, message, metadata, outcome, receipt }))
    }

    /// Permanent errors are about the message: it goes to the dead-letter queue as it is.
    /// Retryable ones are not: it goes back, and is held back longer each time.
    async fn settle_rejected(
        &self,
        error: &CryptoError,
        receipt: MessageReceipt,
    ) -> (RejectionOutcome, Option<MessageReceipt>) {
        let capabilities = self.shared.transport.capabilities();
        if !self.shared.settle_rejected || !capabilities.has(Feature::Settlement) {
            return (RejectionOutcome::Unsettled, Some(receipt));
        }
        if error.is_retryable() {
            let delay = match capabilities.has(Feature::DelayedAbandon) {
                true => self.shared.retry.delay(receipt.metadata().delivery_count),
                false => Duration::ZERO,
            };
            let settled = receipt.abandon(delay).await;
            return outcome_of(settled, RejectionOutcome::Abandoned { delay });
        }
        if !capabilities.has(Feature::DeadLetter) {
            return (RejectionOutcome::Unsettled, Some(receipt));
        }
        let settled = receipt.dead_letter(error.code(), &error.to_string()).await;
        outcome_of(settled, RejectionOutcome::DeadLettered)
    }

    fn subject<'a>(&'a self, message: &'a Message) -> Subject<'a> {
        Subject {
            queue: &self.queue,
            message_id: &message.id,
            session_id: message.session_id.as_deref(),
        }
    }
}

/// A message whose plaintext may be seen.
enum Admitted {
    Plain(PlaintextVerdict),
    Sealed { plaintext: Bytes, seal: Seal, bound: String },
}

fn admitted_at_any_age(sealed: OpenedMessage, bound: String) -> Admitted {
    let seal =
        Seal { key_id: sealed.key_label().to_owned(), encrypted_at_ms: sealed.encrypted_at_ms() };
    Admitted::Sealed { plaintext: sealed.danger_release_at_any_age(), seal, bound }
}

fn incoming(mut message: Message, receipt: &Receipt, opened: Admitted) -> IncomingMessage {
    let metadata = receipt.metadata().clone();
    let (seal, unauthenticated_attributes) = match opened {
        Admitted::Plain(_) => (None, Default::default()),
        Admitted::Sealed { plaintext, seal, bound } => {
            message.body = plaintext;
            let attributes = std::mem::take(&mut message.attributes);
            let (authenticated, others) = split_attributes(attributes, &bound);
            message.attributes = authenticated;
            (Some(seal), others)
        }
    };
    IncomingMessage { message, unauthenticated_attributes, metadata, seal }
}

fn outcome_of(
    settled: Result<sealmq_queue_core::Certainty, crate::receipt::FailedSettlement>,
    outcome: RejectionOutcome,
) -> (RejectionOutcome, Option<MessageReceipt>) {
    match settled {
        Ok(_) => (outcome, None),
        Err(failed) => {
            tracing::warn!(target: "sealmq", error = %failed.error, "Rejected message not settled");
            (RejectionOutcome::Unsettled, Some(*failed.receipt))
        }
    }
}
