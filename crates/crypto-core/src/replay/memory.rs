//! A replay guard in this process, bounded in memory.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::{DeliveryIdentity, ReplayError, ReplayGuard, Reservation};
use crate::clock::{Clock, SystemClock};
use crate::encrypted_message::Nonce;

/// A replay guard for the consumers of one process.
///
/// It holds every nonce for the policy's `nonce_ttl`, in about 50 bytes, so size it for messages
/// per second times that: with the 4 days of `CryptoConfig::strict` the default capacity is enough
/// for 72 messages a second, sustained. Beyond that choose a shorter maximum age, a larger
/// capacity, or a guard that is not in memory. When it is full, messages wait in their queue.
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
    nonces: HashMap<Start, Phase>,
    /// Those that are reserved: few, beside all that are known.
    leases: HashMap<Start, Lease>,
    /// Nonces by the second in which they may be forgotten.
    by_expiry: BTreeMap<u64, Vec<Start>>,
}

/// The first 128 bits of a nonce, which are as unlikely to come twice as all of it.
type Start = [u8; 16];

/// With its nonce, all there is for most messages within the maximum age.
#[derive(Clone, Copy)]
enum Phase {
    /// Given back. The nonce stays known: another consumer, whose lease lapsed, may yet complete.
    Free,
    Reserved,
    Committed {
        by: Digest,
    },
}

/// What is left of the identity of a copy that was completed. It tells that copy, which is settled,
/// from a replay, which is refused; where it is wrong, once in sixteen million times, the replay is
/// settled, and not handed out either.
type Digest = [u8; 3];

struct Lease {
    identity: DeliveryIdentity,
    until: Duration,
}

fn start(nonce: &Nonce) -> Start {
    let mut start = Start::default();
    start.copy_from_slice(&nonce.as_bytes()[..16]);
    start
}

impl MemoryReplayGuard {
    /// Room for 25 million nonces: about 1.2 GB when full, and nothing before it is used.
    pub const DEFAULT_CAPACITY: usize = 25_000_000;

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
        self.lock().nonces.len()
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
        while let Some(oldest) = self.by_expiry.first_entry()
            && *oldest.key() <= now.as_secs()
        {
            for nonce in oldest.remove() {
                self.nonces.remove(&nonce);
                self.leases.remove(&nonce);
            }
        }
    }

    fn digest(&self, identity: &DeliveryIdentity) -> Digest {
        // Of a keyed hash: nobody can aim at it.
        let [first, second, third, ..] = self.nonces.hasher().hash_one(identity).to_ne_bytes();
        [first, second, third]
    }

    /// Whether the lease of this nonce is another's and has not lapsed.
    fn is_leased_to_another(
        &self,
        nonce: &Start,
        identity: &DeliveryIdentity,
        now: Duration,
    ) -> bool {
        let lease = self.leases.get(nonce);
        lease.is_some_and(|lease| lease.identity != *identity && lease.until > now)
    }

    /// The lease of this nonce, if this identity holds it.
    fn lease_of(&mut self, nonce: &Start, by: &DeliveryIdentity) -> Option<&mut Lease> {
        self.leases.get_mut(nonce).filter(|lease| lease.identity == *by)
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
        let (nonce, now) = (&start(nonce), self.clock.monotonic());
        let mut state = self.lock();
        state.forget_expired(now);
        match state.nonces.get(nonce) {
            Some(Phase::Committed { by }) if *by == state.digest(identity) => {
                return Ok(Reservation::Completed);
            }
            Some(Phase::Committed { .. }) => return Ok(Reservation::Replayed),
            Some(Phase::Reserved) if state.is_leased_to_another(nonce, identity, now) => {
                return Ok(Reservation::Replayed);
            }
            Some(Phase::Reserved | Phase::Free) => {}
            None if state.nonces.len() >= self.capacity => {
                return Err(ReplayError::new(format!("all {} places are taken", self.capacity)));
            }
            None => {
                // Not before it is over: in the second that begins with it, or after it.
                let over = now.saturating_add(retention);
                let expires = over.as_secs().saturating_add((over.subsec_nanos() > 0).into());
                state.by_expiry.entry(expires).or_default().push(*nonce);
            }
        }
        state.nonces.insert(*nonce, Phase::Reserved);
        let lease = Lease { identity: identity.clone(), until: now.saturating_add(lease) };
        state.leases.insert(*nonce, lease);
        Ok(Reservation::Granted)
    }

    async fn extend(
        &self,
        nonce: &Nonce,
        identity: &DeliveryIdentity,
        lease: Duration,
    ) -> Result<(), ReplayError> {
        let until = self.clock.monotonic().saturating_add(lease);
        if let Some(held) = self.lock().lease_of(&start(nonce), identity) {
            held.until = until;
        }
        Ok(())
    }

    async fn commit(&self, nonce: &Nonce, identity: &DeliveryIdentity) -> Result<(), ReplayError> {
        // Whoever completed it, the message is done: a lease that lapsed meanwhile changes nothing.
        let (nonce, mut state) = (start(nonce), self.lock());
        let by = state.digest(identity);
        if let Some(phase) = state.nonces.get_mut(&nonce) {
            *phase = Phase::Committed { by };
            state.leases.remove(&nonce);
        }
        Ok(())
    }

    async fn release(&self, nonce: &Nonce, identity: &DeliveryIdentity) -> Result<(), ReplayError> {
        let (nonce, mut state) = (start(nonce), self.lock());
        if state.lease_of(&nonce, identity).is_some() {
            state.leases.remove(&nonce);
            state.nonces.insert(nonce, Phase::Free);
        }
        Ok(())
    }

    fn occupancy(&self) -> Option<f64> {
        Some(self.len() as f64 / self.capacity.max(1) as f64)
    }
}
