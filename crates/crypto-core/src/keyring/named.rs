//! Named keys from a key store: the current one seals, every valid one opens.

use std::collections::HashSet;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use lru::LruCache;

use super::cache::FlightCache;
use super::events::{KeyEvent, KeyObserver, Spawn, Surroundings};
use super::policy::KeyringPolicy;
use crate::clock::{Clock, SystemClock};
use crate::error::CryptoError;
use crate::keys::{EncryptionKeyId, KeyError, KeyErrorKind, KeyProvider};
use crate::message_key::MessageKey;

/// A key store may be asked again for its list when a frame names an unknown key, but not more
/// often than this: key ids in frames are an attacker's to choose.
const DIRECTORY_REFRESH_LIMIT: Duration = Duration::from_secs(1);

/// Missing ids remembered at most; one that is forgotten waits for the list once more.
const MAX_SUSPECTED: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();

/// The keys of one [`KeyProvider`], cached.
///
/// # Contract
/// - A key id that the store does not list is refused without asking the store for it.
/// - Keys and the list are cached with an absolute lifetime; all who miss at once wait for one
///   call.
pub struct NamedKeys {
    pub(super) provider: Arc<dyn KeyProvider>,
    pub(super) keys: Arc<FlightCache<EncryptionKeyId, MessageKey>>,
    pub(super) directory: Arc<FlightCache<(), Directory>>,
    around: Surroundings,
    /// Whether the store allows its list to be remembered at all.
    remembers: bool,
    /// Ids that were not on a list too young to be read again, and when they were first met.
    suspected: Mutex<LruCache<EncryptionKeyId, Duration>>,
    last_sealing: Mutex<Option<EncryptionKeyId>>,
}

pub(super) struct Directory {
    pub(super) current: EncryptionKeyId,
    valid: HashSet<EncryptionKeyId>,
    read_at: Duration,
}

impl NamedKeys {
    /// The keys of this store on the system's clock.
    ///
    /// # Errors
    /// `InvalidInput` names the field of the policy that is not acceptable.
    pub fn new(
        provider: Arc<dyn KeyProvider>,
        policy: &KeyringPolicy,
    ) -> Result<Self, CryptoError> {
        Self::with_surroundings(provider, policy, Arc::new(SystemClock::new()), None, None)
    }

    /// The keys of this store on this clock, reporting to this observer, refreshing on this
    /// spawner.
    ///
    /// # Errors
    /// `InvalidInput` names the field of the policy that is not acceptable.
    pub fn with_surroundings(
        provider: Arc<dyn KeyProvider>,
        policy: &KeyringPolicy,
        clock: Arc<dyn Clock>,
        observer: Option<Arc<dyn KeyObserver>>,
        spawner: Option<Arc<dyn Spawn>>,
    ) -> Result<Self, CryptoError> {
        policy.validate()?;
        let around = Surroundings { clock, observer, spawner };
        let interval = provider.refresh_interval();
        let directory_policy = KeyringPolicy {
            soft_age: interval.max(DIRECTORY_REFRESH_LIMIT),
            hard_age: policy.hard_age.max(interval).max(DIRECTORY_REFRESH_LIMIT),
            cache_capacity: 1,
            unknown_key_ttl: Duration::ZERO,
            ..policy.clone()
        };
        // The list must be current when it is used, so it is never refreshed behind the caller.
        let directory_around = Surroundings { spawner: None, observer: None, ..around.clone() };
        Ok(Self {
            provider,
            keys: FlightCache::new(policy, around.clone()),
            directory: FlightCache::new(&directory_policy, directory_around),
            around,
            remembers: !interval.is_zero(),
            suspected: Mutex::new(LruCache::new(MAX_SUSPECTED)),
            last_sealing: Mutex::default(),
        })
    }

    /// The key that seals.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn sealing_key(&self) -> Result<Arc<MessageKey>, KeyError> {
        let id = if self.remembers {
            self.directory().await?.current.clone()
        } else {
            self.provider.current_key_id().await?
        };
        let key = match self.keys.fresh(id.as_str()) {
            Some(key) => key,
            None => self.fetch(id.clone()).await?,
        };
        let mut last = self.last_sealing.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref() != Some(&id) {
            let label = id.as_str();
            self.around.observe(KeyEvent::SealingKeyChanged { label, kek_version: None });
            *last = Some(id);
        }
        Ok(key)
    }

    /// The key of this id, for opening.
    ///
    /// # Errors
    /// `KeyNotFound` when the id is not valid; `Unavailable` when it is not on the list and the
    /// list is too young to be read again; else those of the store.
    pub async fn opening_key(&self, key_id: &str) -> Result<Arc<MessageKey>, KeyError> {
        if let (Some(directory), Some(key)) = (self.directory.fresh(&()), self.keys.fresh(key_id))
            && directory.valid.contains(key_id)
        {
            return Ok(key);
        }
        let id = EncryptionKeyId::new(key_id)?;
        let asked_at = self.around.clock.monotonic();
        let mut directory = self.directory().await?;
        if !directory.valid.contains(&id) {
            let now = self.around.clock.monotonic();
            let age = now.saturating_sub(directory.read_at);
            if !self.remembers || age >= DIRECTORY_REFRESH_LIMIT {
                directory = self.directory.reload((), self.read_directory()).await?;
            } else if directory.read_at < self.first_met(&id, asked_at) {
                let reason = "the key id is not on a list that was read less than a second ago";
                return Err(KeyError::new(KeyErrorKind::Unavailable, reason));
            }
        }
        if !directory.valid.contains(&id) {
            return Err(KeyError::new(KeyErrorKind::KeyNotFound, "not among the valid key ids"));
        }
        self.fetch(id).await
    }

    /// Forgets this key and zeroizes it; the store is asked anew when it is needed.
    pub fn revoke(&self, key_id: &EncryptionKeyId) {
        self.keys.retain(|key| key.label() != key_id.as_str());
        self.directory.retain(|_| false);
    }

    /// When a missing id was first asked for. Its key may be newer than the list, so it counts as
    /// unknown only on a list that was read after that.
    fn first_met(&self, id: &EncryptionKeyId, asked_at: Duration) -> Duration {
        let mut suspected = self.suspected.lock().unwrap_or_else(PoisonError::into_inner);
        *suspected.get_or_insert(id.clone(), || asked_at)
    }

    async fn directory(&self) -> Result<Arc<Directory>, KeyError> {
        self.directory.get_or_load((), self.read_directory()).await
    }

    /// Reads the list of the store, once it is called.
    fn read_directory(
        &self,
    ) -> impl FnOnce() -> BoxFuture<'static, Result<Arc<Directory>, KeyError>> + use<> {
        let (provider, around) = (Arc::clone(&self.provider), self.around.clone());
        move || {
            async move {
                let call = provider.current_key_id();
                let current = around.measured("key store", "current_key_id", call).await?;
                let call = provider.valid_key_ids();
                let valid = around.measured("key store", "valid_key_ids", call).await?;
                let read_at = around.clock.monotonic();
                let valid = valid.into_iter().collect();
                Ok(Arc::new(Directory { current, valid, read_at }))
            }
            .boxed()
        }
    }

    async fn fetch(&self, id: EncryptionKeyId) -> Result<Arc<MessageKey>, KeyError> {
        let (provider, around, key_id) =
            (Arc::clone(&self.provider), self.around.clone(), id.clone());
        let load = move || {
            async move {
                let call = provider.get_key(&key_id);
                let key = around.measured("key store", "get_key", call).await?;
                let key = MessageKey::named(&key_id, &key).map_err(|error| {
                    KeyError::new(KeyErrorKind::Malformed, "named key").with_source(error)
                })?;
                Ok(Arc::new(key))
            }
            .boxed()
        };
        self.keys.get_or_load(id, load).await
    }
}

impl fmt::Debug for NamedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamedKeys").finish_non_exhaustive()
    }
}
