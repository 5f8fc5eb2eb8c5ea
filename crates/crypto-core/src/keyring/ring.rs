//! The keyring over key services: DEKs to seal with, DEKs to open with.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::cache::FlightCache;
use super::events::{KeyEvent, KeyObserver, Spawn, Surroundings};
use super::kek::Kek;
use super::opening::{CacheKey, OpeningDek, cache_key, opening_dek};
use super::policy::KeyringPolicy;
use super::sealing::{SealingDek, SealingSlot};
use crate::clock::{Clock, SystemClock};
use crate::error::CryptoError;
use crate::format::{MAX_WRAPPED_DEKS, WrappedDekRef};
use crate::keys::{
    KekAlias, KeyError, KeyErrorKind, KeyManagementService, TenantId, WrapContext, WrappedDek,
};
use crate::message_key::MessageKey;
use crate::primitives::Sha256;
use crate::secret::EncryptionKey;
use crate::suite::Suite;

/// Turns key services into keys that are ready.
///
/// # Contract
/// - A DEK seals for one environment, tenant and logical queue, within the caps of the policy.
/// - Every seal carries its DEK wrapped by all configured KEKs; an open needs any one of them.
/// - All who miss a key at once wait for one call; a caller that goes away strands no other.
/// - While a service is down, seals go on until the hard age and opens go on from the cache.
/// - A KEK alias of a frame is looked up among the configured ones and never dialled.
#[derive(Clone)]
pub struct Keyring {
    pub(super) shared: Arc<Shared>,
}

/// What the clones of a keyring share.
pub(super) struct Shared {
    pub(super) keks: Vec<Arc<Kek>>,
    pub(super) policy_digest: [u8; 32],
    pub(super) around: Surroundings,
    pub(super) opening: Arc<FlightCache<CacheKey, OpeningDek>>,
    pub(super) policy: KeyringPolicy,
    sealing: Mutex<HashMap<WrapContext, Arc<SealingSlot>>>,
}

/// Collects the parts of a [`Keyring`].
#[must_use]
pub struct KeyringBuilder {
    keks: Vec<(KekAlias, Arc<dyn KeyManagementService>)>,
    policy: KeyringPolicy,
    around: Surroundings,
}

impl KeyringBuilder {
    /// Adds a KEK: seals are wrapped by each one that is added, up to four.
    pub fn kek(mut self, alias: KekAlias, service: Arc<dyn KeyManagementService>) -> Self {
        self.keks.push((alias, service));
        self
    }

    /// Replaces the default caps.
    pub fn policy(mut self, policy: KeyringPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Replaces the system's clock.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.around.clock = clock;
        self
    }

    /// Reports to this observer.
    pub fn observer(mut self, observer: Arc<dyn KeyObserver>) -> Self {
        self.around.observer = Some(observer);
        self
    }

    /// Fetches successors in the background, by this spawner. Without one, a caller waits.
    pub fn spawner(mut self, spawner: Arc<dyn Spawn>) -> Self {
        self.around.spawner = Some(spawner);
        self
    }

    /// The finished keyring.
    ///
    /// # Errors
    /// `InvalidInput` names `keks` when there are none, more than four or two of one alias, or
    /// the field of the policy that is not acceptable.
    pub fn build(self) -> Result<Keyring, CryptoError> {
        self.policy.validate()?;
        if !(1..=MAX_WRAPPED_DEKS).contains(&self.keks.len()) {
            return Err(CryptoError::invalid_input("keks", "1 to 4 KEKs"));
        }
        let times = |alias| self.keks.iter().filter(|(other, _)| other == alias).count();
        if self.keks.iter().any(|(alias, _)| times(alias) > 1) {
            return Err(CryptoError::invalid_input("keks", "an alias stands twice"));
        }
        let most_calls = self.policy.max_concurrent_calls;
        let kek = |(alias, service)| Arc::new(Kek::new(alias, service, most_calls));
        let shared = Shared {
            keks: self.keks.into_iter().map(kek).collect(),
            policy_digest: Sha256::new_with_prefix(format!("{:?}", self.policy).as_bytes())
                .finalize(),
            opening: FlightCache::new(&self.policy, self.around.clone()),
            around: self.around,
            policy: self.policy,
            sealing: Mutex::default(),
        };
        Ok(Keyring { shared: Arc::new(shared) })
    }
}

impl Keyring {
    /// Begins a keyring with the default policy on the system's clock.
    pub fn builder() -> KeyringBuilder {
        let clock = Arc::new(SystemClock::new());
        let around = Surroundings { clock, observer: None, spawner: None };
        KeyringBuilder { keks: Vec::new(), policy: KeyringPolicy::default(), around }
    }

    /// A key with room for `messages` messages of `bytes` bytes together.
    ///
    /// # Errors
    /// `InvalidInput` when the batch alone is over a cap; those of the services when there is no
    /// usable DEK and none can be had.
    pub async fn sealing_key(
        &self,
        context: &WrapContext,
        suite: Suite,
        messages: u64,
        bytes: u64,
    ) -> Result<Arc<MessageKey>, KeyError> {
        let slot = self.shared.slot(context);
        let fetch = || self.shared.fetch(context, suite);
        slot.reserve(messages, bytes, &self.shared.policy, &self.shared.around, fetch).await
    }

    /// The key of a frame that carries these wrapped DEKs.
    ///
    /// # Errors
    /// `KeyNotFound` when no configured KEK is named; `ContextMismatch`, `Malformed` and
    /// `WrongKeyVersion` when the wrapped form is not one of ours; else those of the services.
    pub async fn opening_key(
        &self,
        context: &WrapContext,
        suite: Suite,
        wrapped: &[WrappedDekRef<'_>],
    ) -> Result<Arc<MessageKey>, KeyError> {
        self.shared.opening_key(context, suite, wrapped).await
    }

    /// The longest key reference that a frame of this keyring may carry, in bytes.
    pub(crate) fn max_reference_len(&self) -> usize {
        let entry = |kek: &Arc<Kek>| {
            1 + kek.alias.as_str().len() + 2 + kek.service.capabilities().max_wrapped_len
        };
        1 + self.shared.keks.iter().map(entry).sum::<usize>()
    }

    /// Forgets every DEK that came through this KEK, and those that seal under it, and zeroizes
    /// them at once; calls under way do not bring one back. The service is asked anew for the next
    /// message. A DEK that another KEK wrapped too still opens through that one.
    pub fn revoke(&self, alias: &KekAlias) {
        self.shared.opening.retain(|dek| *dek.kek_alias != *alias.as_str());
        if self.shared.keks.iter().any(|kek| kek.alias == *alias) {
            self.shared.evict_sealing(|_| true);
        }
    }

    /// Forgets every DEK of this tenant and zeroizes it; other tenants keep theirs.
    pub fn forget_tenant(&self, tenant: &TenantId) {
        self.shared.opening.retain(|dek| *dek.tenant != *tenant.as_str());
        self.shared.evict_sealing(|context| context.tenant() == tenant);
    }
}

impl Shared {
    pub(super) fn slot(&self, context: &WrapContext) -> Arc<SealingSlot> {
        let mut slots = self.slots();
        if let Some(slot) = slots.get(context) {
            return Arc::clone(slot);
        }
        Arc::clone(slots.entry(context.clone()).or_insert_with(SealingSlot::new))
    }

    pub(super) fn evict_sealing(&self, concerns: impl Fn(&WrapContext) -> bool) {
        for (context, slot) in self.slots().iter() {
            if concerns(context) {
                slot.evict(|_| true);
            }
        }
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<WrapContext, Arc<SealingSlot>>> {
        self.sealing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fetch(
        self: &Arc<Self>,
        context: &WrapContext,
        suite: Suite,
    ) -> BoxFuture<'static, Result<Arc<SealingDek>, KeyError>> {
        let (shared, context) = (Arc::clone(self), context.clone());
        async move { shared.fetch_now(&context, suite).await }.boxed()
    }

    /// One DEK, handed to the opening side as well.
    async fn fetch_now(
        self: &Arc<Self>,
        context: &WrapContext,
        suite: Suite,
    ) -> Result<Arc<SealingDek>, KeyError> {
        let epoch = self.opening.epoch();
        let Wrapped { dek, forms } = self.generate(context).await?;
        let key = message_key(&dek, &forms)?;
        let kek_version = forms.first().and_then(|(kek, bytes)| kek.service.version_of(bytes));
        for (kek, bytes) in forms {
            let found_by = cache_key(&kek, &bytes, suite, &self.policy_digest, context);
            let dek = opening_dek(&kek, &dek, bytes, context)?;
            self.opening.insert(epoch, found_by, dek);
        }
        let label = key.label();
        self.around.observe(KeyEvent::SealingKeyChanged { label, kek_version });
        Ok(Arc::new(SealingDek::new(Arc::new(key), self.around.clock.monotonic())))
    }

    /// One DEK: made by the first KEK's service, wrapped by all.
    pub(super) async fn generate(&self, context: &WrapContext) -> Result<Wrapped, KeyError> {
        let first = &self.keks[0];
        let call = first.service.generate_dek(context);
        let generated = first.call(&self.around, "generate_dek", call).await?;
        let mut forms = vec![(Arc::clone(first), generated.wrapped)];
        for kek in &self.keks[1..] {
            let call = kek.service.encrypt_dek(&generated.dek, context);
            let bytes = kek.call(&self.around, "encrypt_dek", call).await?;
            forms.push((Arc::clone(kek), bytes));
        }
        Ok(Wrapped { dek: generated.dek, forms })
    }
}

/// A DEK, and what each KEK made of it.
pub(super) struct Wrapped {
    pub(super) dek: EncryptionKey,
    pub(super) forms: Vec<(Arc<Kek>, Vec<u8>)>,
}

/// The key whose frames carry these forms.
pub(super) fn message_key(
    dek: &EncryptionKey,
    forms: &[(Arc<Kek>, Vec<u8>)],
) -> Result<MessageKey, KeyError> {
    let malformed =
        |error| KeyError::new(KeyErrorKind::Malformed, "wrapped DEK").with_source(error);
    let forms = forms
        .iter()
        .map(|(kek, bytes)| WrappedDek::new(kek.alias.clone(), bytes.clone()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(malformed)?;
    MessageKey::wrapped(dek, &forms).map_err(malformed)
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let aliases: Vec<_> = self.shared.keks.iter().map(|kek| kek.alias.as_str()).collect();
        f.debug_struct("Keyring").field("keks", &aliases).finish_non_exhaustive()
    }
}

impl fmt::Debug for KeyringBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyringBuilder").field("policy", &self.policy).finish_non_exhaustive()
    }
}
