//! The MAC of wrapped forms: who may make one where the KEK has a public half.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac as _};
use sealmq_crypto_core::{
    EncryptionKey, EncryptionKeyId, KeyError, KeyErrorKind, KeyProvider, WrapContext,
};
use sha2::Sha256;
use tokio::sync::Mutex;

use crate::error::{context_mismatch, malformed};
use crate::wrapped::{Head, MAC_LEN, Mac};

const LABEL: &[u8] = b"sealmq-keys-azure/wrap-mac/v1";

/// The store may be asked again for its list when a form names an unknown key, but not more often
/// than this: key ids in forms are an attacker's to choose.
const LIST_REFRESH_LIMIT: Duration = Duration::from_secs(1);

/// The MAC keys, read from their store and remembered for as long as it allows.
pub(crate) struct WrapAuthenticity {
    store: Arc<dyn KeyProvider>,
    /// Held while the store is asked: all who miss at once wait for one answer.
    known: Mutex<Option<Known>>,
}

struct Known {
    current: EncryptionKeyId,
    valid: HashSet<EncryptionKeyId>,
    keys: HashMap<EncryptionKeyId, Arc<EncryptionKey>>,
    read_at: Instant,
}

/// A key that makes MACs.
pub(crate) struct MacKey {
    pub(crate) id: EncryptionKeyId,
    key: Arc<EncryptionKey>,
}

impl MacKey {
    /// Ends a form with its MAC.
    pub(crate) fn seal(
        &self,
        mut form: Vec<u8>,
        context: &WrapContext,
    ) -> Result<Vec<u8>, KeyError> {
        let mac = mac(&self.key, &form, context)?.finalize().into_bytes();
        form.extend_from_slice(&mac);
        Ok(form)
    }
}

impl WrapAuthenticity {
    pub(crate) fn new(store: Arc<dyn KeyProvider>) -> Self {
        Self { store, known: Mutex::default() }
    }

    /// The key that makes MACs now.
    pub(crate) async fn current(&self) -> Result<MacKey, KeyError> {
        let mut slot = self.known.lock().await;
        let known = self.fresh(&mut slot).await?;
        let id = known.current.clone();
        Ok(MacKey { key: self.key(known, &id).await?, id })
    }

    /// Whether one of the valid keys made this MAC, over this form, for this context.
    ///
    /// # Errors
    /// `ContextMismatch` when not; `Unavailable` when that cannot be said yet; else those of the
    /// store.
    pub(crate) async fn verify(
        &self,
        found: &Mac<'_>,
        head: &Head,
        context: &WrapContext,
    ) -> Result<(), KeyError> {
        let mismatch = || context_mismatch(context.tenant(), head.version);
        let key = self.opening(&found.key_id).await?.ok_or_else(mismatch)?;
        let expected = mac(&key, found.covered, context)?;
        expected.verify_slice(found.value).map_err(|_| mismatch())
    }

    async fn opening(&self, id: &EncryptionKeyId) -> Result<Option<Arc<EncryptionKey>>, KeyError> {
        let asked_at = Instant::now();
        let mut slot = self.known.lock().await;
        let mut known = self.fresh(&mut slot).await?;
        if !known.valid.contains(id) && known.read_at < asked_at {
            if known.read_at.elapsed() < LIST_REFRESH_LIMIT {
                let reason = "the MAC key is not on a list that was read less than a second ago";
                return Err(KeyError::new(KeyErrorKind::Unavailable, reason));
            }
            *slot = None;
            known = self.fresh(&mut slot).await?;
        }
        if known.valid.contains(id) { self.key(known, id).await.map(Some) } else { Ok(None) }
    }

    async fn fresh<'a>(&self, slot: &'a mut Option<Known>) -> Result<&'a mut Known, KeyError> {
        let interval = self.store.refresh_interval();
        let known = match slot.take().filter(|known| known.read_at.elapsed() < interval) {
            Some(known) => known,
            None => {
                let read_at = Instant::now();
                let current = self.store.current_key_id().await?;
                let valid = self.store.valid_key_ids().await?.into_iter().collect();
                Known { current, valid, keys: HashMap::new(), read_at }
            }
        };
        Ok(slot.insert(known))
    }

    async fn key(
        &self,
        known: &mut Known,
        id: &EncryptionKeyId,
    ) -> Result<Arc<EncryptionKey>, KeyError> {
        if let Some(key) = known.keys.get(id) {
            return Ok(Arc::clone(key));
        }
        let key = self.store.get_key(id).await?;
        known.keys.insert(id.clone(), Arc::clone(&key));
        Ok(key)
    }
}

fn mac(key: &EncryptionKey, form: &[u8], context: &WrapContext) -> Result<Hmac<Sha256>, KeyError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret())
        .map_err(|_| malformed("a MAC key of another length"))?;
    mac.update(LABEL);
    // With its length, so that no byte can move between the form and the context.
    mac.update(&(form.len() as u64).to_be_bytes());
    mac.update(form);
    mac.update(&context.associated_data());
    Ok(mac)
}

const _: () = assert!(MAC_LEN == 32); // HMAC-SHA256, not truncated
