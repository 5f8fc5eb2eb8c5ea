//! The trait of key stores: the secret itself is read.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{EncryptionKeyId, KeyError};
use crate::secret::EncryptionKey;

/// A store of named keys: Secrets Manager, Key Vault secrets, Vault KV, a file, memory.
///
/// # Contract
/// - One id names one key for ever; a rotation adds an id and makes it the current one.
/// - Results are cached by [`NamedKeys`](crate::NamedKeys); implementations do not cache.
/// - Implementations do one attempt; retrying belongs to the client.
#[async_trait]
pub trait KeyProvider: Send + Sync {
    /// The key of this id.
    ///
    /// # Errors
    /// `KeyNotFound` when the store has no such key; `Denied`, `Disabled`, `Malformed` are
    /// permanent; `Unavailable` and `Throttled` are retryable.
    async fn get_key(&self, id: &EncryptionKeyId) -> Result<Arc<EncryptionKey>, KeyError>;

    /// The id of the key that seals.
    ///
    /// # Errors
    /// As [`KeyProvider::get_key`]; `KeyNotFound` when the store has no current key.
    async fn current_key_id(&self) -> Result<EncryptionKeyId, KeyError>;

    /// Every id that may open: the allow-list a frame's key id is held against before the store
    /// is asked for it.
    ///
    /// # Errors
    /// As [`KeyProvider::get_key`].
    async fn valid_key_ids(&self) -> Result<Vec<EncryptionKeyId>, KeyError>;

    /// How long `current_key_id` and `valid_key_ids` may be remembered. A store in this process
    /// says zero, and a rotation is seen at once.
    fn refresh_interval(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// Asks the store whether it answers and takes the credentials, as cheaply as it can be done.
    /// The default asks for the id of the current key.
    ///
    /// # Errors
    /// As [`KeyProvider::current_key_id`].
    async fn health(&self) -> Result<(), KeyError> {
        self.current_key_id().await.map(drop)
    }

    /// Ends the session with the store and gives back what the store keeps for it. Later calls may
    /// fail; repeating it is fine. The default has no session.
    ///
    /// # Errors
    /// `Unavailable` when the store could not be told; the session is over all the same.
    async fn close(&self) -> Result<(), KeyError> {
        Ok(())
    }
}
