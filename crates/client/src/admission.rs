//! Whether a message that opened is handed out: its age, and whether it was accepted before.

use std::sync::Arc;
use std::time::Duration;

use sealmq_crypto_core::{
    CryptoError, CryptoErrorKind, DeliveryIdentity, ReplayError, Reservation,
};
use sealmq_queue_core::DeliveryMetadata;
use tokio::time::timeout;

use crate::bodies::Opened;
use crate::outcomes::Refusal;
use crate::queue::QueueContext;
use crate::receipt::ReplayReservation;

/// How long a reservation lasts on a transport without locks.
const DEFAULT_LEASE: Duration = Duration::from_secs(60);

impl QueueContext {
    /// Judges age and replay, on values that are authentic by now. Waits so long for an answer of
    /// the replay store, which reserves the message for this delivery.
    pub(crate) async fn judge(
        &self,
        opened: &Opened,
        delivery: &DeliveryMetadata,
        patience: Option<Duration>,
    ) -> Result<Option<ReplayReservation>, Refusal> {
        let Opened::Sealed { sealed, .. } = opened else { return Ok(None) };
        let config = &self.shared.config;
        if let Some(freshness) = &config.freshness {
            freshness.check(sealed.encrypted_at_ms(), self.shared.clock.unix_ms())?;
        }
        let Some(guard) = &self.shared.replay_guard else { return Ok(None) };
        let (nonce, identity) = (sealed.nonce(), DeliveryIdentity::new(&delivery.broker_id));
        let lease = delivery.lock_duration.unwrap_or(DEFAULT_LEASE);
        let reserve = guard.reserve(&nonce, &identity, lease, config.nonce_ttl);
        let granted = match patience {
            Some(patience) => timeout(patience, reserve)
                .await
                .unwrap_or_else(|_| Err(ReplayError::new("the replay store has not answered yet"))),
            None => reserve.await,
        };
        match granted.map_err(CryptoError::unavailable)? {
            Reservation::Granted => {
                Ok(Some(ReplayReservation { guard: Arc::clone(guard), nonce, identity }))
            }
            Reservation::Completed => Err(Refusal::CompletedBefore),
            Reservation::Replayed => Err(CryptoError::new(CryptoErrorKind::Replayed).into()),
        }
    }
}
