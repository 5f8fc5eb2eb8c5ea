//! The keyring over key services: DEKs to seal with, DEKs to open with.

use std::fmt;
use std::sync::Arc;

use super::events::{KeyObserver, Spawn, Surroundings};
use super::kek::Kek;
use super::policy::KeyringPolicy;
use super::shared::Shared;
use crate::clock::{Clock, SystemClock};
use crate::error::CryptoError;
use crate::format::{MAX_WRAPPED_DEKS, WrappedDekRef};
use crate::keys::{KekAlias, KeyError, KeyManagementService, TenantId, WrapContext};
use crate::message_key::MessageKey;
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
        let keks = self.keks.into_iter().map(kek).collect();
        let shared = Shared::new(keks, self.policy, self.around);
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
