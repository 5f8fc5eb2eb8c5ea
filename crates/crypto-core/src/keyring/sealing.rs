//! The DEK that seals for one scope: its caps, its successor, and one flight to fetch it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};

use super::events::Surroundings;
use super::policy::{KeyringPolicy, RETRY_PAUSE};
use crate::keys::{KeyError, KeyErrorKind};
use crate::message_key::MessageKey;

type Fetched = Result<Arc<SealingDek>, KeyError>;
type Flight = Shared<BoxFuture<'static, Fetched>>;

/// A DEK that seals, with what was used of it.
pub(super) struct SealingDek {
    key: Arc<MessageKey>,
    born: Duration,
    messages: AtomicU64,
    bytes: AtomicU64,
}

impl SealingDek {
    pub(super) fn new(key: Arc<MessageKey>, born: Duration) -> Self {
        Self { key, born, messages: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    /// Takes room for a batch, or nothing. Where only the bytes are refused the messages stay
    /// counted: too high a count is safe, and the DEK is about to be replaced anyway.
    fn reserve(&self, messages: u64, bytes: u64, policy: &KeyringPolicy) -> bool {
        add_within(&self.messages, messages, policy.max_messages)
            && add_within(&self.bytes, bytes, policy.max_bytes)
    }

    /// Whether more than nine tenths of a cap are used.
    fn nearly_used_up(&self, policy: &KeyringPolicy) -> bool {
        let nearly = |used: &AtomicU64, max: u64| used.load(Ordering::Relaxed) > max - max / 10;
        nearly(&self.messages, policy.max_messages) || nearly(&self.bytes, policy.max_bytes)
    }
}

fn add_within(used: &AtomicU64, more: u64, max: u64) -> bool {
    let add = |used: u64| used.checked_add(more).filter(|sum| *sum <= max);
    used.fetch_update(Ordering::AcqRel, Ordering::Acquire, add).is_ok()
}

/// The place of one scope's DEK.
pub(super) struct SealingSlot {
    state: Mutex<SlotState>,
}

#[derive(Default)]
struct SlotState {
    current: Option<Arc<SealingDek>>,
    flight: Option<WeakShared<BoxFuture<'static, Fetched>>>,
    next_refresh: Duration,
    epoch: u64,
}

impl SealingSlot {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default() })
    }

    /// A key with room for the batch. The service is asked when there is none; when the current
    /// one is past its soft age or nearly used up, a successor is fetched ahead.
    pub(super) async fn reserve(
        self: &Arc<Self>,
        messages: u64,
        bytes: u64,
        policy: &KeyringPolicy,
        around: &Surroundings,
        fetch: impl Fn() -> BoxFuture<'static, Fetched>,
    ) -> Result<Arc<MessageKey>, KeyError> {
        if messages > policy.max_messages || bytes > policy.max_bytes {
            let reason = "the batch alone is over the cap of a DEK";
            return Err(KeyError::invalid_input("batch", reason));
        }
        loop {
            let now = around.clock.monotonic();
            let (current, flight, epoch) = {
                let mut state = self.lock();
                let epoch = state.epoch;
                match state.usable(now, messages, bytes, policy) {
                    Some(dek) if !state.wants_successor(&dek, now, policy) => {
                        return Ok(Arc::clone(&dek.key));
                    }
                    usable => (usable, self.join(&mut state, now, around, &fetch), epoch),
                }
            };
            match (current, &around.spawner) {
                (Some(dek), Some(spawner)) => {
                    spawner.spawn(flight.map(|_| ()).boxed());
                    return Ok(Arc::clone(&dek.key));
                }
                (Some(dek), None) => {
                    // Without a spawner one caller waits for the successor; if that fails, the
                    // reservation on the current DEK still stands, unless the DEK was revoked or
                    // reached its hard age meanwhile.
                    let _ = flight.await;
                    let age = around.clock.monotonic().saturating_sub(dek.born);
                    if self.lock().epoch == epoch && age < policy.hard_age {
                        return Ok(Arc::clone(&dek.key));
                    }
                }
                (None, _) => flight.await.map(|_| ())?,
            }
        }
    }

    /// Whether one more message could be sealed without asking the service.
    pub(super) fn has_room(&self, policy: &KeyringPolicy, around: &Surroundings) -> bool {
        let now = around.clock.monotonic();
        self.lock().current.as_ref().is_some_and(|dek| {
            now.saturating_sub(dek.born) < policy.hard_age
                && dek.messages.load(Ordering::Relaxed) < policy.max_messages
                && dek.bytes.load(Ordering::Relaxed) < policy.max_bytes
        })
    }

    /// Forgets the DEK if `revoked` says so of its key, and any fetch under way.
    pub(super) fn evict(&self, revoked: impl Fn(&MessageKey) -> bool) {
        let mut state = self.lock();
        state.epoch += 1;
        state.flight = None;
        state.next_refresh = Duration::ZERO;
        if state.current.as_ref().is_some_and(|dek| revoked(&dek.key)) {
            state.current = None;
        }
    }

    fn join(
        self: &Arc<Self>,
        state: &mut SlotState,
        now: Duration,
        around: &Surroundings,
        fetch: &impl Fn() -> BoxFuture<'static, Fetched>,
    ) -> Flight {
        if let Some(flight) = state.flight.as_ref().and_then(WeakShared::upgrade) {
            return flight;
        }
        let (slot, epoch, fetching, clock) =
            (Arc::clone(self), state.epoch, fetch(), Arc::clone(&around.clock));
        state.next_refresh = now.saturating_add(RETRY_PAUSE);
        let landing = async move { slot.land(epoch, fetching.await, clock.monotonic()) };
        let flight = landing.boxed().shared();
        state.flight = flight.downgrade();
        flight
    }

    fn land(&self, epoch: u64, fetched: Fetched, now: Duration) -> Fetched {
        let mut state = self.lock();
        if state.epoch != epoch {
            return Err(KeyError::new(KeyErrorKind::Unavailable, "revoked while it was fetched"));
        }
        state.flight = None;
        match &fetched {
            Ok(dek) => {
                state.current = Some(Arc::clone(dek));
                state.next_refresh = Duration::ZERO;
            }
            Err(_) => state.next_refresh = now.saturating_add(RETRY_PAUSE),
        }
        fetched
    }

    fn lock(&self) -> MutexGuard<'_, SlotState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SlotState {
    fn usable(
        &mut self,
        now: Duration,
        messages: u64,
        bytes: u64,
        policy: &KeyringPolicy,
    ) -> Option<Arc<SealingDek>> {
        if self.current.as_ref().is_some_and(|d| now.saturating_sub(d.born) >= policy.hard_age) {
            // Dropped, and with it zeroized, even if no successor comes.
            self.current = None;
        }
        self.current.as_ref().filter(|dek| dek.reserve(messages, bytes, policy)).cloned()
    }

    fn wants_successor(&self, dek: &SealingDek, now: Duration, policy: &KeyringPolicy) -> bool {
        let due = now.saturating_sub(dek.born) >= policy.soft_age || dek.nearly_used_up(policy);
        due && now >= self.next_refresh
    }
}
