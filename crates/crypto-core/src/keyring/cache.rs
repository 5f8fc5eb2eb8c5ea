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
use super::policy::{KeyringPolicy, RETRY_PAUSE};
use crate::keys::{KeyError, KeyErrorKind};

type Loaded<V> = Result<Arc<V>, KeyError>;
type Flight<V> = Shared<BoxFuture<'static, Loaded<V>>>;

/// Values by key, loaded on demand.
///
/// A value is fresh until `soft_age`, may stand in for a failed reload until `hard_age`, and is
/// dropped then. After a failed reload the next one waits for [`RETRY_PAUSE`]: a service that is
/// down is not called for every message. Refusals are not remembered, but for unknown keys.
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
    Present(Present<V>),
    Unknown { error: KeyError, until: Duration },
}

struct Present<V> {
    value: Arc<V>,
    loaded_at: Duration,
    /// A reload failed: until then the value counts as fresh.
    reload_after: Duration,
}

impl<V> Entry<V> {
    fn present(value: Arc<V>, loaded_at: Duration) -> Self {
        Self::Present(Present { value, loaded_at, reload_after: Duration::ZERO })
    }
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
            Entry::Present(present) => match self.judge(present, now) {
                Found::Fresh(value) => value,
                _ => return None,
            },
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
        let (flight, is_new) = self.join(key.clone(), load);
        match (stale, &self.around.spawner) {
            (Some(stale), Some(spawner)) => {
                if is_new {
                    spawner.spawn(flight.map(|_| ()).boxed());
                }
                Ok(stale)
            }
            (Some(_), None) => match flight.await {
                // Looked up again: meanwhile it may have been revoked or have reached its hard age.
                Err(error) if error.is_retryable() => match self.find(&key) {
                    Found::Fresh(value) | Found::Stale(value) => Ok(value),
                    Found::Unknown(_) | Found::Nothing => Err(error),
                },
                loaded => loaded,
            },
            (None, _) => flight.await,
        }
    }

    /// The value of `key` as it is now: waits for a load, its own or one under way. Until that has
    /// succeeded, the value that is there goes on serving others.
    pub(super) async fn reload(
        self: &Arc<Self>,
        key: K,
        load: impl FnOnce() -> BoxFuture<'static, Loaded<V>>,
    ) -> Loaded<V> {
        let (flight, _) = self.join(key, load);
        flight.await
    }

    /// The value of `key` that would be used if it could not be loaded now.
    pub(super) fn at_hand(&self, key: &K) -> Option<Arc<V>> {
        match self.find(key) {
            Found::Fresh(value) | Found::Stale(value) => Some(value),
            Found::Unknown(_) | Found::Nothing => None,
        }
    }

    /// What to hand to [`insert`](Self::insert); taken before the value is asked for.
    pub(super) fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// Puts a value there that did not have to be loaded, unless something was evicted by hand
    /// since `epoch`.
    pub(super) fn insert(&self, epoch: u64, key: K, value: Arc<V>) {
        let now = self.around.clock.monotonic();
        let mut state = self.lock();
        if state.epoch == epoch {
            state.entries.put(key, Entry::present(value, now));
        }
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
                Entry::Present(present) => !keep(&present.value),
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
            Some(Entry::Present(present)) => self.judge(present, now),
            Some(Entry::Unknown { .. }) => Found::Nothing,
        };
        if matches!(found, Found::Nothing) {
            state.entries.pop(key);
        }
        found
    }

    fn judge(&self, present: &Present<V>, now: Duration) -> Found<V> {
        let age = now.saturating_sub(present.loaded_at);
        if age >= self.hard_age {
            Found::Nothing
        } else if age < self.soft_age || now < present.reload_after {
            Found::Fresh(Arc::clone(&present.value))
        } else {
            Found::Stale(Arc::clone(&present.value))
        }
    }

    /// The load of `key` that is under way, or a new one, and whether it is new.
    fn join(
        self: &Arc<Self>,
        key: K,
        load: impl FnOnce() -> BoxFuture<'static, Loaded<V>>,
    ) -> (Flight<V>, bool) {
        let mut state = self.lock();
        if let Some(flight) = state.flights.get(&key).and_then(WeakShared::upgrade) {
            return (flight, false);
        }
        if state.flights.len() == state.flights.capacity() {
            // Before growing: a load whose callers all went away never lands.
            state.flights.retain(|_, flight| flight.upgrade().is_some());
        }
        let (cache, epoch, load, flight_key) = (Arc::clone(self), state.epoch, load(), key.clone());
        let flight = async move { cache.land(flight_key, epoch, load.await) }.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            state.flights.insert(key, weak);
        }
        (flight, true)
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
                state.entries.put(key, Entry::present(Arc::clone(value), now));
            }
            Err(error) if matches!(error.kind(), KeyErrorKind::KeyNotFound) => {
                let until = now.saturating_add(self.unknown_key_ttl);
                state.entries.put(key, Entry::Unknown { error: error.clone(), until });
            }
            Err(error) if !error.is_retryable() => {
                state.entries.pop(&key);
            }
            Err(_) => {
                if let Some(Entry::Present(present)) = state.entries.peek_mut(&key) {
                    present.reload_after = now.saturating_add(RETRY_PAUSE);
                }
            }
        }
        loaded
    }

    fn lock(&self) -> MutexGuard<'_, State<K, V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
