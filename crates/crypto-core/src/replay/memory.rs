//! A replay guard in this process, bounded in memory.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::{DeliveryIdentity, ReplayError, ReplayGuard, Reservation};
use crate::clock::{Clock, SystemClock};
use crate::encrypted_message::Nonce;

/// A replay guard for the consumers of one process.
///
/// It holds every nonce for the policy's `nonce_ttl`, so size it for messages per second times
/// that: with the 4 days of `CryptoConfig::strict` the default capacity is enough for 28 messages
/// a second, sustained. Beyond that choose a shorter maximum age, or a guard that is not in memory.
/// When it is full, messages wait in their queue.
///
/// Replicas need a shared guard: each process remembers only what it has seen itself, and a
/// restart forgets.
pub struct MemoryReplayGuard {
    state: Mutex<State>,
    capacity: usize,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct State {
    entries: HashMap<Nonce, Phase>,
    /// Nonces by the moment they may be forgotten.
    by_expiry: BTreeMap<(Duration, Nonce), ()>,
}

enum Phase {
    /// Given back. The nonce stays known: another consumer, whose lease lapsed, may yet complete.
    Free,
    Reserved {
        identity: DeliveryIdentity,
        lease_until: Duration,
    },
    Committed {
        identity: DeliveryIdentity,
    },
}

impl MemoryReplayGuard {
    /// Room for ten million nonces: about 1.5 GB when full, and nothing before it is used.
    pub const DEFAULT_CAPACITY: usize = 10_000_000;

    /// A guard of the default capacity on the system's clock.
    pub fn new() -> Self {
        Self::with_capacity(Self::DEFAULT_CAPACITY)
    }

    /// A guard that remembers up to this many nonces. When it is full it refuses to answer, and
    /// messages wait in the queue: forgetting a nonce would let its replay pass.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { state: Mutex::default(), capacity, clock: Arc::new(SystemClock::new()) }
    }

    /// The same guard on this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How many nonces are remembered.
    pub fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Whether no nonce is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryReplayGuard {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryReplayGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryReplayGuard")
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

impl State {
    fn forget_expired(&mut self, now: Duration) {
        while let Some(oldest) = self.by_expiry.first_entry() {
            let (expires_at, nonce) = *oldest.key();
            if expires_at > now {
                break;
            }
            oldest.remove();
            self.entries.remove(&nonce);
        }
    }

    /// The lease of this nonce, if this identity holds it.
    fn lease_of(&mut self, nonce: &Nonce, by: &DeliveryIdentity) -> Option<&mut Duration> {
        match self.entries.get_mut(nonce)? {
            Phase::Reserved { identity, lease_until } if identity == by => Some(lease_until),
            _ => None,
        }
    }
}

#[async_trait]
impl ReplayGuard for MemoryReplayGuard {
    async fn reserve(
        &self,
        nonce: &Nonce,
        identity: &DeliveryIdentity,
        lease: Duration,
        retention: Duration,
    ) -> Result<Reservation, ReplayError> {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        state.forget_expired(now);
        let lease_until = now.saturating_add(lease);
        if let Some(phase) = state.entries.get_mut(nonce) {
            return Ok(match phase {
                Phase::Committed { identity: by } if by == identity => Reservation::Completed,
                Phase::Committed { .. } => Reservation::Replayed,
                Phase::Reserved { identity: holder, lease_until: held_until }
                    if holder != identity && *held_until > now =>
                {
                    Reservation::Replayed
                }
                Phase::Reserved { .. } | Phase::Free => {
                    *phase = Phase::Reserved { identity: identity.clone(), lease_until };
                    Reservation::Granted
                }
            });
        }
        if state.entries.len() >= self.capacity {
            return Err(ReplayError::new(format!("all {} places are taken", self.capacity)));
        }
        let expires_at = now.saturating_add(retention);
        let phase = Phase::Reserved { identity: identity.clone(), lease_until };
        state.entries.insert(*nonce, phase);
        state.by_expiry.insert((expires_at, *nonce), ());
        Ok(Reservation::Granted)
    }

    async fn extend(
        &self,
        nonce: &Nonce,
        identity: &DeliveryIdentity,
        lease: Duration,
    ) -> Result<(), ReplayError> {
        let lease_until = self.clock.monotonic().saturating_add(lease);
        if let Some(held_until) = self.lock().lease_of(nonce, identity) {
            *held_until = lease_until;
        }
        Ok(())
    }

    async fn commit(&self, nonce: &Nonce, identity: &DeliveryIdentity) -> Result<(), ReplayError> {
        // Whoever completed it, the message is done: a lease that lapsed meanwhile changes nothing.
        if let Some(phase) = self.lock().entries.get_mut(nonce) {
            *phase = Phase::Committed { identity: identity.clone() };
        }
        Ok(())
    }

    async fn release(&self, nonce: &Nonce, identity: &DeliveryIdentity) -> Result<(), ReplayError> {
        if let Some(phase) = self.lock().entries.get_mut(nonce)
            && matches!(phase, Phase::Reserved { identity: holder, .. } if holder == identity)
        {
            *phase = Phase::Free;
        }
        Ok(())
    }
}
