//! What the replay guard was asked for one delivery, and which copies this process works on.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use metrics::{Gauge, gauge};
use sealmq_crypto_core::{DeliveryIdentity, Nonce, ReplayError, ReplayGuard, Reservation};
use tokio::time::timeout;

/// The most that giving a nonce back may hold up its message, and with it a stop.
const RELEASING: Duration = Duration::from_secs(1);

/// A guard that is fuller than this is reported.
const TIGHT: f64 = 0.8;
/// It is reported anew after it was emptier than this.
const ROOMY: f64 = 0.7;

/// The replay guard of one queue, and the copies that were asked for and not let go.
pub(crate) struct Replays {
    guard: Arc<dyn ReplayGuard>,
    in_hand: Mutex<HashSet<DeliveryIdentity>>,
    queue: String,
    occupancy: OnceLock<Gauge>,
    is_filling_up: AtomicBool,
}

/// A nonce that is reserved for this delivery, or may be: the guard is asked. The copy is in hand
/// for as long as this lives.
pub(crate) struct ReplayReservation {
    replays: Arc<Replays>,
    nonce: Nonce,
    identity: DeliveryIdentity,
    /// Whether no earlier delivery of the copy was in hand.
    is_first: bool,
    /// Not set while no answer came: what was asked for may have been done all the same.
    granted: OnceLock<bool>,
}

impl Replays {
    pub(crate) fn of(queue: &str, guard: Arc<dyn ReplayGuard>) -> Arc<Self> {
        let (queue, in_hand, occupancy) = (queue.to_owned(), Mutex::default(), OnceLock::new());
        Arc::new(Self { guard, in_hand, queue, occupancy, is_filling_up: AtomicBool::new(false) })
    }

    /// Tells operators how full the guard is, if it can be: once it is, messages wait.
    pub(crate) fn note_occupancy(&self) {
        let Some(occupancy) = self.guard.occupancy() else { return };
        let gauge = || gauge!("queue_replay_guard_occupancy", "queue" => self.queue.clone());
        self.occupancy.get_or_init(gauge).set(occupancy);
        if occupancy < ROOMY {
            self.is_filling_up.store(false, Ordering::Relaxed);
        } else if occupancy >= TIGHT && !self.is_filling_up.swap(true, Ordering::Relaxed) {
            tracing::warn!(target: "sealmq", queue = self.queue, occupancy,
                "Replay guard is filling up: once it is full, messages wait");
        }
    }

    /// Takes a copy in hand. Nothing is asked for yet.
    pub(crate) fn take(self: &Arc<Self>, nonce: Nonce, broker_id: &str) -> ReplayReservation {
        let identity = DeliveryIdentity::new(broker_id);
        let is_first = self.in_hand().insert(identity.clone());
        let (replays, granted) = (Arc::clone(self), OnceLock::new());
        ReplayReservation { replays, nonce, identity, is_first, granted }
    }

    fn in_hand(&self) -> MutexGuard<'_, HashSet<DeliveryIdentity>> {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReplayReservation {
    pub(crate) fn is_first(&self) -> bool {
        self.is_first
    }

    pub(crate) async fn ask(
        &self,
        lease: Duration,
        retention: Duration,
    ) -> Result<Reservation, ReplayError> {
        let guard = &self.replays.guard;
        let answer = guard.reserve(&self.nonce, &self.identity, lease, retention).await?;
        // The first stays: a message is admitted once.
        let _ = self.granted.set(answer == Reservation::Granted);
        Ok(answer)
    }

    pub(crate) async fn commit(&self) -> Result<(), ReplayError> {
        match self.granted.get() {
            Some(true) => self.replays.guard.commit(&self.nonce, &self.identity).await,
            Some(false) | None => Ok(()),
        }
    }

    pub(crate) async fn extend(&self, lease: Duration) -> Result<(), ReplayError> {
        match self.granted.get() {
            Some(true) => self.replays.guard.extend(&self.nonce, &self.identity, lease).await,
            Some(false) | None => Ok(()),
        }
    }

    /// Gives the nonce back, or what may have become of asking for it. If this fails, the same copy
    /// is granted again all the same, and for another one the reservation lapses with the lock.
    pub(crate) async fn release(self) {
        if self.granted.get() == Some(&false) {
            return;
        }
        let releasing = self.replays.guard.release(&self.nonce, &self.identity);
        let released = timeout(RELEASING, releasing)
            .await
            .unwrap_or_else(|_| Err(ReplayError::new("the replay store does not answer")));
        if let Err(error) = released {
            tracing::debug!(target: "sealmq", %error, "Replay reservation left to lapse");
        }
    }
}

impl Drop for ReplayReservation {
    fn drop(&mut self) {
        if self.is_first {
            self.replays.in_hand().remove(&self.identity);
        }
    }
}
