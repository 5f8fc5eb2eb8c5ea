//! Whether a message that opened is handed out: its age, and whether it was accepted before.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sealmq_crypto_core::{
    CryptoError, CryptoErrorKind, DeliveryIdentity, OpenedMessage, PlaintextVerdict, ReplayError,
    Reservation,
};
use sealmq_queue_core::{Message, Receipt};
use tokio::time::timeout;

use crate::bodies::Opened;
use crate::bound::split_attributes;
use crate::incoming::{IncomingMessage, Seal};
use crate::opening::Refusal;
use crate::queue::QueueContext;
use crate::receipt::{MessageReceipt, ReplayReservation};

/// How long a reservation lasts on a transport without locks.
const DEFAULT_LEASE: Duration = Duration::from_secs(60);

/// A message whose plaintext may be seen.
pub(crate) enum Admitted {
    Plain(PlaintextVerdict),
    Sealed { plaintext: Bytes, seal: Seal, bound: String },
}

pub(crate) fn admitted_at_any_age(sealed: OpenedMessage, bound: String) -> Admitted {
    let seal = Seal {
        key_label: Arc::clone(sealed.key_label()),
        encrypted_at_ms: sealed.encrypted_at_ms(),
    };
    Admitted::Sealed { plaintext: sealed.danger_release_at_any_age(), seal, bound }
}

impl QueueContext {
    /// Judges age and replay, on values that are authentic by now, and releases the plaintext.
    /// Waits so long for an answer of the replay store.
    pub(crate) async fn admit(
        &self,
        opened: Opened,
        receipt: &MessageReceipt,
        patience: Option<Duration>,
    ) -> Result<Admitted, Refusal> {
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
            let reserve = guard.reserve(&nonce, &identity, lease, config.nonce_ttl);
            let granted = match patience {
                Some(patience) => timeout(patience, reserve).await.unwrap_or_else(|_| {
                    Err(ReplayError::new("the replay store has not answered yet"))
                }),
                None => reserve.await,
            };
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
}

/// The message as its receiver sees it.
pub(crate) fn incoming(
    mut message: Message,
    receipt: &Receipt,
    opened: Admitted,
) -> IncomingMessage {
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
