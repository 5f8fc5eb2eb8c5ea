//! The first use of a tenant: its key is created once by this process, and its twins are found.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use sealmq_crypto_core::{KeyError, TenantId, random_bytes};

use crate::client::VaultKeys;
use crate::error::{Failed, Meaning, creation_denied, not_listed_yet, shredded};
use crate::tombstone;
use crate::versions::{Counted, FIRST_USE, count, latest};

type Gate = tokio::sync::Mutex<()>;

/// Who of this process is creating a key now: others that miss the same key wait for it.
#[derive(Default)]
pub(crate) struct FirstUse {
    gates: Mutex<HashMap<String, Weak<Gate>>>,
}

impl FirstUse {
    /// The version that wraps for the tenant; its first one is created if `may_create`.
    ///
    /// # Errors
    /// `KeyNotFound` for a shredded tenant, `Denied` when there is no key and none may be created.
    pub(crate) async fn latest(
        &self,
        keys: &VaultKeys,
        tenant: &TenantId,
        key: &str,
        may_create: bool,
    ) -> Result<Counted, KeyError> {
        if let Some(version) = existing(keys, key).await? {
            return Ok(version);
        }
        let gate = self.gate(key);
        let _alone = gate.lock().await;
        if let Some(version) = existing(keys, key).await? {
            return Ok(version);
        }
        if tombstone::is_there(keys, key).await? {
            return Err(shredded(tenant));
        }
        if !may_create {
            // Without a purge there is no tombstone either, but the name says it.
            return match keys.is_deleted(key).await {
                Ok(true) => Err(shredded(tenant)),
                _ => Err(creation_denied(tenant)),
            };
        }
        let tags = HashMap::from([(FIRST_USE.to_owned(), random_hex()?)]);
        match keys.create(key, tags).await {
            Err(Failed { meaning: Meaning::Shredded, .. }) => return Err(shredded(tenant)),
            outcome => outcome?,
        }
        if tombstone::is_there(keys, key).await? {
            // It was shredded meanwhile, perhaps before there was anything to delete.
            keys.delete(key).await?;
            return Err(shredded(tenant));
        }
        existing(keys, key).await?.ok_or_else(|| not_listed_yet(key))
    }

    fn gate(&self, key: &str) -> Arc<Gate> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.retain(|_, gate| gate.strong_count() > 0);
        if let Some(gate) = gates.get(key).and_then(Weak::upgrade) {
            return gate;
        }
        let gate = Arc::<Gate>::default();
        gates.insert(key.to_owned(), Arc::downgrade(&gate));
        gate
    }
}

async fn existing(keys: &VaultKeys, key: &str) -> Result<Option<Counted>, KeyError> {
    let versions = count(keys.versions(key).await?);
    Ok(latest(&versions).cloned())
}

/// Random bytes as hexadecimal digits.
fn random_hex() -> Result<String, KeyError> {
    Ok(random_bytes::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}
