//! Named keys in memory.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use async_trait::async_trait;
use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, KeyError, KeyProvider, random_key};

use crate::named_keys::NamedKeySet;

/// Named keys that live in this process and end with it.
///
/// # Contract
/// - One key seals, the current one; every key that was not retired opens.
/// - Clones share the keys: a rotation through one is seen by all, at once.
/// - No call does I/O or waits.
///
/// ```
/// # use sealmq_crypto_core::{EncryptionKeyId, KeyError};
/// # use sealmq_keys_local::MemoryKeyring;
/// # fn main() -> Result<(), KeyError> {
/// let keyring = MemoryKeyring::generate(EncryptionKeyId::new("orders-1")?)?;
/// keyring.rotate(EncryptionKeyId::new("orders-2")?)?; // seals from now on; orders-1 still opens
/// assert_eq!(keyring.ids().len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MemoryKeyring {
    keys: Arc<RwLock<NamedKeySet>>,
}

impl MemoryKeyring {
    /// A keyring with one fresh key, the current one.
    ///
    /// # Errors
    /// `Unavailable` when the kernel gives no randomness.
    pub fn generate(id: EncryptionKeyId) -> Result<Self, KeyError> {
        Ok(Self::with_key(id, random_key()?))
    }

    /// A keyring with this key, the current one.
    pub fn with_key(id: EncryptionKeyId, key: EncryptionKey) -> Self {
        Self { keys: Arc::new(RwLock::new(NamedKeySet::of(id, key))) }
    }

    /// Makes a fresh key of this id the current one; the keys before it go on opening.
    ///
    /// # Errors
    /// `InvalidInput` when the id is taken or was retired; `Unavailable` when the kernel gives no
    /// randomness.
    pub fn rotate(&self, new_id: EncryptionKeyId) -> Result<(), KeyError> {
        let key = random_key()?;
        self.write().add_current(new_id, key)
    }

    /// Adds a key that opens and does not seal.
    ///
    /// # Errors
    /// `InvalidInput` when the id is taken or was retired.
    pub fn add(&self, id: EncryptionKeyId, key: EncryptionKey) -> Result<(), KeyError> {
        self.write().add(id, key)
    }

    /// Makes a key that is there already the current one.
    ///
    /// # Errors
    /// `KeyNotFound` when there is no such key, or it was retired.
    pub fn make_current(&self, id: &EncryptionKeyId) -> Result<(), KeyError> {
        self.write().make_current(id)
    }

    /// Erases a key, for good: it opens no more. No other key can take its id. Repeating it is
    /// fine.
    ///
    /// # Errors
    /// `InvalidInput` when it is the current key; `KeyNotFound` when there never was such a key.
    pub fn retire(&self, id: &EncryptionKeyId) -> Result<(), KeyError> {
        self.write().retire(id)
    }

    /// The ids of all keys that open, in order of their names.
    pub fn ids(&self) -> Vec<EncryptionKeyId> {
        self.read().valid_ids()
    }

    fn read(&self) -> RwLockReadGuard<'_, NamedKeySet> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, NamedKeySet> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl KeyProvider for MemoryKeyring {
    async fn get_key(&self, id: &EncryptionKeyId) -> Result<Arc<EncryptionKey>, KeyError> {
        self.read().get(id)
    }

    async fn current_key_id(&self) -> Result<EncryptionKeyId, KeyError> {
        self.read().current_id()
    }

    async fn valid_key_ids(&self) -> Result<Vec<EncryptionKeyId>, KeyError> {
        Ok(self.ids())
    }

    fn refresh_interval(&self) -> Duration {
        Duration::ZERO
    }
}

impl fmt::Debug for MemoryKeyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.read();
        f.debug_struct("MemoryKeyring")
            .field("current", &keys.current_id().ok())
            .field("ids", &keys.valid_ids())
            .finish()
    }
}
