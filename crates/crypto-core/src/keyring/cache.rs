//! A bounded cache with an absolute lifetime in which each miss is one flight.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use lru::LruCache;

use super::events::{KeyEvent, Surroundings};
use super::policy::KeyringPolicy;
use crate::keys::{KeyError, KeyErrorKind};

type Loaded<V> = Result<Arc<V>, KeyError>;
type Flight<V> = Shared<BoxFuture<'static, Loaded<V>>>;

/// Values by key, loaded on demand.
///
/// A value is fresh until `soft_age`, may stand in for a failed reload until `hard_age`, and is
/// dropped then. Refusals are not remembered, but for unknown keys.
pub(super) struct FlightCache<K, V> {
    state: Mutex<State<K, V>>,
    around: Surroundings,
    soft_age: Duration,
    hard_age: Duration,
    unknown_key_ttl: Duration,
}

struct State<K, V> {
    entries: LruCache<K, Entry<V>>,
    /// Loads under way, kept alive by those who wait for them and by nobody else.
    flights: HashMap<K, WeakShared<BoxFuture<'static, Loaded<V>>>>,
    /// Moves on at every eviction by hand: a load that began before must not bring the key back.
    epoch: u64,
}

enum Entry<V> {
    Present { value: Arc<V>, loaded_at: Duration },
    Unknown { error: KeyError, until: Duration },
}

enum Found<V> {
    Fresh(Arc<V>),
    Stale(Arc<V>),
    Unknown(KeyError),
    Nothing,
}

impl<K, V> FlightCache<K, V>
where
    K: Hash + Eq + Clone + Send + 'static,
    V: Send + Sync + 'static,
{
    pub(super) fn new(policy: &KeyringPolicy, around: Surroundings) -> Arc<Self> {
        let capacity = NonZeroUsize::new(policy.cache_capacity).unwrap_or(NonZeroUsize::MIN);
        let entries = LruCache::new(capacity);
        Arc::new(Self {
            state: Mutex::new(State { entries, flights: HashMap::new(), epoch: 0 }),
            around,
            soft_age: policy.soft_age,
            hard_age: policy.hard_age,
            unknown_key_ttl: policy.unknown_key_ttl,
        })
    }

    /// The value of `key` if it is there and fresh.
    pub(super) fn fresh<Q>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let now = self.around.clock.monotonic();
        let mut state = self.lock();
        let value = match state.entries.get(key)? {
            Entry::Present { value, loaded_at } => {
                let fresh = now.saturating_sub(*loaded_at) < self.soft_age;
                fresh.then(|| Arc::clone(value))?
            }
            Entry::Unknown { .. } => return None,
        };
        drop(state);
        self.around.observe(KeyEvent::CacheHit);
        Some(value)
    }

    /// The value of `key`; all who miss it at once wait for one `load`.
    pub(super) async fn get_or_load(
        self: &Arc<Self>,
        key: K,
        load: impl FnOnce() -> BoxFuture<'static, Loaded<V>>,
    ) -> Loaded<V> {
        let stale = match self.find(&key) {
            Found::Fresh(value) => {
                self.around.observe(KeyEvent::CacheHit);
                return Ok(value);
            }
            Found::Unknown(error) => return Err(error),
            Found::Stale(value) => Some(value),
            Found::Nothing => None,
        };
        self.around.observe(KeyEvent::CacheMiss);
        let flight = self.join(key, load);
        match (stale, &self.around.spawner) {
            (Some(stale), Some(spawner)) => {
                spawner.spawn(flight.map(|_| ()).boxed());
                Ok(stale)
            }
            (Some(stale), None) => match flight.await {
                Err(error) if error.is_retryable() => Ok(stale),
                loaded => loaded,
            },
            (None, _) => flight.await,
        }
    }

    /// Puts a value there that did not have to be loaded.
    pub(super) fn insert(&self, key: K, value: Arc<V>) {
        let loaded_at = self.around.clock.monotonic();
        self.lock().entries.put(key, Entry::Present { value, loaded_at });
    }

    /// Drops every value that `keep` does not want, and the loads under way.
    pub(super) fn retain(&self, keep: impl Fn(&V) -> bool) {
        let mut state = self.lock();
        state.epoch += 1;
        state.flights.clear();
        let dropped: Vec<K> = state
            .entries
            .iter()
            .filter(|(_, entry)| match entry {
                Entry::Present { value, .. } => !keep(value),
                Entry::Unknown { .. } => true,
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in dropped {
            state.entries.pop(&key);
        }
    }

    fn find(&self, key: &K) -> Found<V> {
        let now = self.around.clock.monotonic();
        let mut state = self.lock();
        let found = match state.entries.get(key) {
            None => return Found::Nothing,
            Some(Entry::Unknown { error, until }) if now < *until => Found::Unknown(error.clone()),
            Some(Entry::Present { value, loaded_at }) => match now.saturating_sub(*loaded_at) {
                age if age < self.soft_age => Found::Fresh(Arc::clone(value)),
                age if age < self.hard_age => Found::Stale(Arc::clone(value)),
                _ => Found::Nothing,
            },
            Some(Entry::Unknown { .. }) => Found::Nothing,
        };
        if matches!(found, Found::Nothing) {
            state.entries.pop(key);
        }
        found
    }

    fn join(
        self: &Arc<Self>,
        key: K,
        load: impl FnOnce() -> BoxFuture<'static, Loaded<V>>,
    ) -> Flight<V> {
        let mut state = self.lock();
        if let Some(flight) = state.flights.get(&key).and_then(WeakShared::upgrade) {
            return flight;
        }
        let (cache, epoch, load, flight_key) = (Arc::clone(self), state.epoch, load(), key.clone());
        let flight = async move { cache.land(flight_key, epoch, load.await) }.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            state.flights.insert(key, weak);
        }
        flight
    }

    fn land(&self, key: K, epoch: u64, loaded: Loaded<V>) -> Loaded<V> {
        let now = self.around.clock.monotonic();
        let mut state = self.lock();
        if state.epoch != epoch {
            return Err(KeyError::new(KeyErrorKind::Unavailable, "revoked while it was loaded"));
        }
        state.flights.remove(&key);
        match &loaded {
            Ok(value) => {
                let value = Arc::clone(value);
                state.entries.put(key, Entry::Present { value, loaded_at: now });
            }
            Err(error) if matches!(error.kind(), KeyErrorKind::KeyNotFound) => {
                let until = now.saturating_add(self.unknown_key_ttl);
                state.entries.put(key, Entry::Unknown { error: error.clone(), until });
            }
            Err(error) if !error.is_retryable() => {
                state.entries.pop(&key);
            }
            Err(_) => {}
        }
        loaded
    }

    fn lock(&self) -> MutexGuard<'_, State<K, V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
