//! The way in: tell sealed from plain, open, judge age and replay.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sealmq_crypto_core::format::{Frame, Marker, dearmour, find_marker};
use sealmq_crypto_core::{
    CryptoError, CryptoErrorKind, DeliveryIdentity, EncryptedMessage, EncryptionContext,
    OpenedMessage, PlaintextVerdict, Reservation,
};
use sealmq_queue_core::{Delivery, Message, Receipt};

use crate::bound::{BOUND_ATTRIBUTE, context_of, split_attributes};
use crate::error::ClientError;
use crate::events::{self, Subject};
use crate::incoming::{IncomingMessage, Received, ReceivedMessage, Seal};
use crate::queue::QueueContext;
use crate::receipt::{MessageReceipt, ReplayReservation};

/// How long a reservation lasts on a transport without locks.
const DEFAULT_LEASE: Duration = Duration::from_secs(60);

/// A message that was told apart by its first bytes: a plaintext, or a frame and what it is bound
/// to.
enum Marked {
    Plain(PlaintextVerdict),
    Sealed { frame: EncryptedMessage, context: EncryptionContext, bound: String },
}

/// A message that opened, before its age and replay were judged.
enum Opened {
    Plain(PlaintextVerdict),
    Sealed { sealed: OpenedMessage, bound: String },
}

/// Why a message is not handed out.
pub(crate) enum Refusal {
    Error(CryptoError),
    /// The same copy was completed before; the broker has not heard of it.
    CompletedBefore,
}

/// A message that is not handed out, with the right to settle it.
pub(crate) struct Unopened {
    pub(crate) message: Message,
    pub(crate) receipt: MessageReceipt,
    pub(crate) refusal: Refusal,
}

impl From<CryptoError> for Refusal {
    fn from(error: CryptoError) -> Self {
        Self::Error(error)
    }
}

impl QueueContext {
    /// Receives and opens one batch.
    pub(crate) async fn receive(
        self: &Arc<Self>,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Received>, ClientError> {
        let deliveries = self.receive_sealed(max, wait).await?;
        let _opening = self.shared.lifecycle.hand_out();
        Ok(self.open_deliveries(deliveries).await)
    }

    /// Opens what the broker handed out, each message for itself, and settles what cannot be.
    pub(crate) async fn open_deliveries(
        self: &Arc<Self>,
        deliveries: Vec<Delivery>,
    ) -> Vec<Received> {
        let mut received = Vec::with_capacity(deliveries.len());
        for opened in self.open_each(deliveries).await {
            received.push(match opened {
                Ok(message) => Ok(message),
                Err(unopened) => Err(self.reject(*unopened).await),
            });
        }
        received
    }

    /// Opens what the broker handed out, each message for itself, and settles nothing.
    pub(crate) async fn open_each(
        self: &Arc<Self>,
        deliveries: Vec<Delivery>,
    ) -> Vec<Result<ReceivedMessage, Box<Unopened>>> {
        let started = Instant::now();
        let opened = self.open_bodies(deliveries.iter().map(|delivery| &delivery.message)).await;
        self.metrics.opened(started.elapsed(), deliveries.len());
        let mut received = Vec::with_capacity(deliveries.len());
        for (Delivery { message, receipt }, opened) in deliveries.into_iter().zip(opened) {
            let receipt = MessageReceipt::new(Arc::clone(self), receipt);
            let admitted = match opened {
                Ok(opened) => self.admit(opened, &receipt).await,
                Err(error) => Err(error.into()),
            };
            received.push(match admitted {
                Ok(admitted) => {
                    let message = self.hand_out(message, &receipt, admitted);
                    Ok(ReceivedMessage { message, receipt })
                }
                Err(refusal) => Err(Box::new(Unopened { message, receipt, refusal })),
            });
        }
        received
    }

    /// Opens a message that could not be opened before.
    pub(crate) async fn open_again(
        &self,
        message: &Message,
        receipt: &MessageReceipt,
    ) -> Result<IncomingMessage, Refusal> {
        let mut opened = self.open_bodies(std::iter::once(message)).await;
        let opened = opened.pop().unwrap_or_else(|| Err(no_answer()))?;
        let admitted = self.admit(opened, receipt).await?;
        Ok(self.hand_out(message.clone(), receipt, admitted))
    }

    /// Opens a message of a dead-letter queue: authentic, of any age, delivered before or not.
    pub(crate) async fn open_for_inspection(
        &self,
        message: Message,
        receipt: &Receipt,
    ) -> Result<IncomingMessage, CryptoError> {
        let mut opened = self.open_bodies(std::iter::once(&message)).await;
        let admitted = match opened.pop().unwrap_or_else(|| Err(no_answer()))? {
            Opened::Plain(verdict) => Admitted::Plain(verdict),
            Opened::Sealed { sealed, bound } => admitted_at_any_age(sealed, bound),
        };
        Ok(incoming(message, receipt, admitted))
    }

    /// Authenticates and decrypts, the sealed ones of a batch together.
    async fn open_bodies(
        &self,
        messages: impl Iterator<Item = &Message>,
    ) -> Vec<Result<Opened, CryptoError>> {
        let (count, _) = messages.size_hint();
        let mut frames = Vec::with_capacity(count);
        let mut contexts = Vec::with_capacity(count);
        let mut bound_names = Vec::with_capacity(count);
        let mut opened: Vec<Result<Option<Opened>, CryptoError>> = Vec::with_capacity(count);
        for message in messages {
            opened.push(self.mark(message).map(|marked| match marked {
                Marked::Plain(verdict) => Some(Opened::Plain(verdict)),
                Marked::Sealed { frame, context, bound } => {
                    frames.push(frame);
                    contexts.push(context);
                    bound_names.push(bound);
                    None
                }
            }));
        }
        let decrypted = match &self.shared.crypto {
            Some(crypto) => crypto.decrypt_batch(frames.into_iter().zip(&contexts).collect()).await,
            None => frames.iter().map(|frame| Err(no_keys(frame))).collect(),
        };
        let mut decrypted = decrypted.into_iter().zip(bound_names);
        let fill_in = |outcome: Result<Option<Opened>, CryptoError>| match outcome? {
            Some(plain) => Ok(plain),
            None => {
                let (sealed, bound) = decrypted.next().ok_or_else(no_answer)?;
                Ok(Opened::Sealed { sealed: sealed?, bound })
            }
        };
        opened.into_iter().map(fill_in).collect()
    }

    /// Tells a frame from a plaintext by its first bytes alone, so that a policy that refuses
    /// plaintexts does so before anything parses them.
    fn mark(&self, message: &Message) -> Result<Marked, CryptoError> {
        let frame = match find_marker(&message.body) {
            Marker::None => {
                let now_ms = self.shared.clock.unix_ms();
                return self.shared.config.check_received_plaintext(now_ms).map(Marked::Plain);
            }
            Marker::Binary => message.body.clone(),
            Marker::Armoured => Bytes::from(dearmour(&message.body)?),
        };
        let frame = EncryptedMessage::parse(frame)?;
        let bound = message.attributes.get(BOUND_ATTRIBUTE).cloned().unwrap_or_default();
        // Metadata that is no context at all is not what was sealed.
        let context = context_of(&self.scope, message, &bound)
            .map_err(|_| CryptoError::new(CryptoErrorKind::AuthenticationFailed))?;
        Ok(Marked::Sealed { frame, context, bound })
    }

    /// Judges age and replay, on values that are authentic by now, and releases the plaintext.
    async fn admit(&self, opened: Opened, receipt: &MessageReceipt) -> Result<Admitted, Refusal> {
        let (sealed, bound) = match opened {
            Opened::Plain(verdict) => return Ok(Admitted::Plain(verdict)),
            Opened::Sealed { sealed, bound } => (sealed, bound),
        };
        let config = &self.shared.config;
        if let Some(freshness) = &config.freshness {
            freshness.check(sealed.encrypted_at_ms(), self.shared.clock.unix_ms())?;
        }
        if let Some(guard) = &self.shared.replay_guard {
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
            receipt.reserved(ReplayReservation { guard: Arc::clone(guard), nonce, identity });
        }
        Ok(admitted_at_any_age(sealed, bound))
    }

    /// The message as its receiver sees it.
    fn hand_out(
        &self,
        message: Message,
        receipt: &MessageReceipt,
        admitted: Admitted,
    ) -> IncomingMessage {
        let verdict = match &admitted {
            Admitted::Plain(verdict) => Some(*verdict),
            Admitted::Sealed { .. } => None,
        };
        let message = incoming(message, &receipt.receipt, admitted);
        let subject = self.subject(&message.message);
        match verdict {
            Some(verdict) => events::received_plaintext(&subject, verdict),
            None => events::received_sealed(&subject, message.key_id().unwrap_or("")),
        }
        self.metrics.received(message.is_encrypted(), 1);
        message
    }

    pub(crate) fn subject<'a>(&'a self, message: &'a Message) -> Subject<'a> {
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
    let seal = Seal {
        key_label: Arc::clone(sealed.key_label()),
        encrypted_at_ms: sealed.encrypted_at_ms(),
    };
    Admitted::Sealed { plaintext: sealed.danger_release_at_any_age(), seal, bound }
}

/// The error of a sealed message that meets a client without any keys.
fn no_keys(frame: &EncryptedMessage) -> CryptoError {
    let named =
        Frame::parse(frame.as_bytes()).map(|frame| frame.key_reference().label().to_owned());
    named.map_or_else(
        |error| error,
        |key_id| CryptoError::new(CryptoErrorKind::KeyNotFound { key_id }),
    )
}

/// The crypto provider broke its contract and left a message out.
fn no_answer() -> CryptoError {
    CryptoError::unavailable("the crypto provider did not answer for this message")
}

fn incoming(mut message: Message, receipt: &Receipt, opened: Admitted) -> IncomingMessage {
    let metadata = receipt.shared_metadata();
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
