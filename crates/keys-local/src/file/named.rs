//! The named keys of a keyring file.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, KeyError, KeyProvider, random_key};

use super::FileKeyring;

impl FileKeyring {
    /// Makes a fresh key of this id the current one, for every process that uses the file; the
    /// keys before it go on opening.
    ///
    /// # Errors
    /// `InvalidInput` when the id is taken or was retired; else as all calls.
    pub async fn rotate(&self, new_id: EncryptionKeyId) -> Result<(), KeyError> {
        self.update(move |contents| contents.named.add_current(new_id, random_key()?)).await
    }

    /// Adds a key that opens and does not seal.
    ///
    /// # Errors
    /// As [`FileKeyring::rotate`].
    pub async fn add(&self, id: EncryptionKeyId, key: EncryptionKey) -> Result<(), KeyError> {
        self.update(move |contents| contents.named.add(id, key)).await
    }

    /// Makes a key that is there already the current one.
    ///
    /// # Errors
    /// `KeyNotFound` when there is no such key, or it was retired; else as all calls.
    pub async fn make_current(&self, id: &EncryptionKeyId) -> Result<(), KeyError> {
        let id = id.clone();
        self.update(move |contents| contents.named.make_current(&id)).await
    }

    /// Erases a key from the file, for good: it opens no more. No other key can take its id.
    /// Repeating it is fine. Copies of the file, and the blocks of the disk that its versions
    /// took, are out of reach.
    ///
    /// # Errors
    /// `InvalidInput` when it is the current key; `KeyNotFound` when there never was such a key;
    /// else as all calls.
    pub async fn retire(&self, id: &EncryptionKeyId) -> Result<(), KeyError> {
        let id = id.clone();
        self.update(move |contents| contents.named.retire(&id)).await
    }
}

#[async_trait]
impl KeyProvider for FileKeyring {
    async fn get_key(&self, id: &EncryptionKeyId) -> Result<Arc<EncryptionKey>, KeyError> {
        self.contents().await?.named.get(id)
    }

    async fn current_key_id(&self) -> Result<EncryptionKeyId, KeyError> {
        self.contents().await?.named.current_id()
    }

    async fn valid_key_ids(&self) -> Result<Vec<EncryptionKeyId>, KeyError> {
        Ok(self.contents().await?.named.valid_ids())
    }

    fn refresh_interval(&self) -> Duration {
        Duration::ZERO
    }
}
