//! Whether a message that opened is handed out: its age, and whether it was accepted before.

use std::time::Duration;

use sealmq_crypto_core::{CryptoError, CryptoErrorKind, Reservation};

use crate::bodies::Opened;
use crate::outcomes::Refusal;
use crate::queue::QueueContext;
use crate::receipt::MessageReceipt;
use crate::reservation::Beside;

/// How long a reservation lasts on a transport without locks.
const DEFAULT_LEASE: Duration = Duration::from_secs(60);

impl QueueContext {
    /// Judges age and replay, on values that are authentic by now. The replay store reserves the
    /// message for this delivery. It may be given up at any time: what was asked for by then is
    /// settled with the receipt.
    ///
    /// A copy of which an earlier delivery is still in hand is `InHand` where the message `can_wait`
    /// for that one's end.
    pub(crate) async fn judge(
        &self,
        opened: &Opened,
        receipt: &MessageReceipt,
        can_wait: bool,
    ) -> Result<(), Refusal> {
        let Opened::Sealed { sealed, .. } = opened else { return Ok(()) };
        let config = &self.shared.config;
        if let Some(freshness) = &config.freshness {
            freshness.check(sealed.encrypted_at_ms(), self.shared.clock.unix_ms())?;
        }
        let Some(replays) = &self.replays else { return Ok(()) };
        let reservation = match receipt.reservation().get() {
            Some(asked_before) => asked_before,
            None => {
                let taken = replays.take(sealed.nonce(), &receipt.metadata().broker_id);
                match taken.beside() {
                    Beside::ItsRedelivery if can_wait => return Err(Refusal::InHand),
                    Beside::AnotherCopy => return Err(replayed()),
                    Beside::Nothing | Beside::ItsRedelivery => {}
                }
                receipt.reservation().get_or_init(|| Box::new(taken))
            }
        };
        let lease = receipt.metadata().lock_duration.unwrap_or(DEFAULT_LEASE);
        match reservation.ask(lease, config.nonce_ttl).await.map_err(CryptoError::unavailable)? {
            Reservation::Granted => Ok(()),
            Reservation::Completed => Err(Refusal::CompletedBefore),
            Reservation::Replayed => Err(replayed()),
        }
    }
}

fn replayed() -> Refusal {
    CryptoError::new(CryptoErrorKind::Replayed).into()
}
