//! What the replay guard was asked for one delivery, and which messages this process works on.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
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

/// The replay guard of one queue, and the messages that are in hand.
pub(crate) struct Replays {
    guard: Arc<dyn ReplayGuard>,
    in_hand: Mutex<HashMap<Nonce, InHand>>,
    queue: String,
    occupancy: OnceLock<Gauge>,
    is_filling_up: AtomicBool,
}

/// A message that this process works on, or asks the guard for.
struct InHand {
    copy: DeliveryIdentity,
    granted: bool,
}

/// What a delivery is beside one of the same message that is in hand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beside {
    /// None is in hand, or it is not known yet which of them is to be handed out.
    Nothing,
    /// The same copy, delivered before.
    ItsRedelivery,
    /// Another copy, which was granted. A guard may not know it any more: its lease can lapse
    /// while the work goes on.
    AnotherCopy,
}

/// A nonce that is reserved for this delivery, or may be: the guard is asked. The message is in
/// hand for as long as this lives.
pub(crate) struct ReplayReservation {
    replays: Arc<Replays>,
    nonce: Nonce,
    copy: DeliveryIdentity,
    beside: Beside,
    /// Whether the message is in hand as this delivery's.
    holds: AtomicBool,
    /// Not set while no answer came: what was asked for may have been done all the same.
    granted: OnceLock<bool>,
}

impl Replays {
    pub(crate) fn of(queue: &str, guard: Arc<dyn ReplayGuard>) -> Arc<Self> {
        let (queue, in_hand, occupancy) = (queue.to_owned(), Mutex::default(), OnceLock::new());
        Arc::new(Self { guard, in_hand, queue, occupancy, is_filling_up: AtomicBool::new(false) })
    }

    /// Takes a delivery in hand. Nothing is asked for yet.
    pub(crate) fn take(self: &Arc<Self>, nonce: Nonce, broker_id: &str) -> ReplayReservation {
        let copy = DeliveryIdentity::new(broker_id);
        let beside = match self.in_hand().entry(nonce) {
            Entry::Vacant(none) => {
                none.insert(InHand { copy: copy.clone(), granted: false });
                Beside::Nothing
            }
            Entry::Occupied(other) if other.get().copy == copy => Beside::ItsRedelivery,
            Entry::Occupied(other) if other.get().granted => Beside::AnotherCopy,
            Entry::Occupied(_) => Beside::Nothing,
        };
        let holds = AtomicBool::new(beside == Beside::Nothing);
        let (replays, granted) = (Arc::clone(self), OnceLock::new());
        ReplayReservation { replays, nonce, copy, beside, holds, granted }
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

    fn in_hand(&self) -> MutexGuard<'_, HashMap<Nonce, InHand>> {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReplayReservation {
    pub(crate) fn beside(&self) -> Beside {
        self.beside
    }

    pub(crate) async fn ask(
        &self,
        lease: Duration,
        retention: Duration,
    ) -> Result<Reservation, ReplayError> {
        let guard = &self.replays.guard;
        let answer = guard.reserve(&self.nonce, &self.copy, lease, retention).await?;
        let granted = answer == Reservation::Granted;
        // The first stays: a message is admitted once.
        let _ = self.granted.set(granted);
        if !granted {
            // What is refused is not worked on, and stands in no other copy's way.
            self.let_go();
        } else if self.holds.load(Ordering::Relaxed) {
            let in_hand = InHand { copy: self.copy.clone(), granted };
            self.replays.in_hand().insert(self.nonce, in_hand);
        }
        Ok(answer)
    }

    pub(crate) async fn commit(&self) -> Result<(), ReplayError> {
        match self.granted.get() {
            Some(true) => self.replays.guard.commit(&self.nonce, &self.copy).await,
            Some(false) | None => Ok(()),
        }
    }

    pub(crate) async fn extend(&self, lease: Duration) -> Result<(), ReplayError> {
        match self.granted.get() {
            Some(true) => self.replays.guard.extend(&self.nonce, &self.copy, lease).await,
            Some(false) | None => Ok(()),
        }
    }

    /// Gives the nonce back, or what may have become of asking for it. If this fails, the same copy
    /// is granted again all the same, and for another one the reservation lapses with the lock.
    pub(crate) async fn release(self) {
        if self.granted.get() == Some(&false) {
            return;
        }
        let releasing = self.replays.guard.release(&self.nonce, &self.copy);
        let released = timeout(RELEASING, releasing)
            .await
            .unwrap_or_else(|_| Err(ReplayError::new("the replay store does not answer")));
        if let Err(error) = released {
            tracing::debug!(target: "sealmq", %error, "Replay reservation left to lapse");
        }
    }

    /// The message is no longer in hand as this delivery's.
    pub(crate) fn let_go(&self) {
        // What has become another delivery's is for that one to let go.
        if self.holds.swap(false, Ordering::Relaxed)
            && let Entry::Occupied(in_hand) = self.replays.in_hand().entry(self.nonce)
            && in_hand.get().copy == self.copy
        {
            in_hand.remove();
        }
    }
}

impl Drop for ReplayReservation {
    fn drop(&mut self) {
        self.let_go();
    }
}
