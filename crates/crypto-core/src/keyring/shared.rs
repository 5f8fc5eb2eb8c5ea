//! What all clones of a keyring share: KEKs, caches, the DEKs that seal.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::cache::FlightCache;
use super::deks::{CacheKey, OpeningDek};
use super::events::Surroundings;
use super::kek::Kek;
use super::policy::KeyringPolicy;
use super::sealing::SealingSlot;
use crate::keys::WrapContext;
use crate::primitives::Sha256;

/// What the clones of a keyring share.
pub(super) struct Shared {
    pub(super) keks: Vec<Arc<Kek>>,
    pub(super) policy_digest: [u8; 32],
    pub(super) around: Surroundings,
    pub(super) opening: Arc<FlightCache<CacheKey, OpeningDek>>,
    pub(super) policy: KeyringPolicy,
    sealing: Mutex<HashMap<WrapContext, Arc<SealingSlot>>>,
}

impl Shared {
    pub(super) fn new(keks: Vec<Arc<Kek>>, policy: KeyringPolicy, around: Surroundings) -> Self {
        let policy_digest = Sha256::new_with_prefix(format!("{policy:?}").as_bytes()).finalize();
        let opening = FlightCache::new(&policy, around.clone());
        Self { keks, policy_digest, around, opening, policy, sealing: Mutex::default() }
    }

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
}
