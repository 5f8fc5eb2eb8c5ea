//! A key store in memory whose list of keys can be changed while it is used.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, KeyError, KeyErrorKind, KeyProvider};

use super::{Switchboard, key_id, masked, unmasked};

/// Dereferences to its [`Switchboard`].
pub(crate) struct FakeStore {
    switchboard: Switchboard,
    refresh_interval: Duration,
    state: Mutex<State>,
}

struct State {
    keys: HashMap<EncryptionKeyId, Vec<u8>>,
    current: EncryptionKeyId,
    asked_for: Vec<String>,
}

impl FakeStore {
    /// A store of one key, made of this byte.
    pub(crate) fn with_key(id: &str, fill: u8) -> Arc<Self> {
        Self::refreshed_every(id, fill, Duration::from_secs(60))
    }

    /// The same, whose list may be remembered for this long.
    pub(crate) fn refreshed_every(id: &str, fill: u8, refresh_interval: Duration) -> Arc<Self> {
        Arc::new(Self {
            switchboard: Switchboard::default(),
            refresh_interval,
            state: Mutex::new(State {
                keys: HashMap::from([(key_id(id), masked(&[fill; 32]))]),
                current: key_id(id),
                asked_for: Vec::new(),
            }),
        })
    }

    /// Adds a key and makes it the current one.
    pub(crate) fn rotate_to(&self, id: &str, fill: u8) {
        let mut state = self.state.lock().unwrap();
        state.keys.insert(key_id(id), masked(&[fill; 32]));
        state.current = key_id(id);
    }

    /// Takes a key off the list.
    pub(crate) fn retire(&self, id: &str) {
        self.state.lock().unwrap().keys.remove(&key_id(id));
    }

    /// The ids `get_key` was called with.
    pub(crate) fn asked_for(&self) -> Vec<String> {
        self.state.lock().unwrap().asked_for.clone()
    }
}

impl Deref for FakeStore {
    type Target = Switchboard;

    fn deref(&self) -> &Switchboard {
        &self.switchboard
    }
}

#[async_trait]
impl KeyProvider for FakeStore {
    async fn get_key(&self, id: &EncryptionKeyId) -> Result<Arc<EncryptionKey>, KeyError> {
        self.state.lock().unwrap().asked_for.push(id.to_string());
        self.switchboard.pass().await?;
        match self.state.lock().unwrap().keys.get(id) {
            Some(key) => Ok(Arc::new(unmasked(key))),
            None => Err(KeyError::new(KeyErrorKind::KeyNotFound, "get_key")),
        }
    }

    async fn current_key_id(&self) -> Result<EncryptionKeyId, KeyError> {
        self.switchboard.pass().await?;
        Ok(self.state.lock().unwrap().current.clone())
    }

    async fn valid_key_ids(&self) -> Result<Vec<EncryptionKeyId>, KeyError> {
        self.switchboard.pass().await?;
        Ok(self.state.lock().unwrap().keys.keys().cloned().collect())
    }

    fn refresh_interval(&self) -> Duration {
        self.refresh_interval
    }

    async fn close(&self) -> Result<(), KeyError> {
        self.switchboard.close().await
    }
}
