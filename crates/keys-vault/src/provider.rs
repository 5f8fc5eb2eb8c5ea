//! KV version 2 as a key store: each version of one secret is a named key.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use sealmq_crypto_core::{
    Clock, EncryptionKey, EncryptionKeyId, KeyError, KeyErrorKind, KeyProvider, SystemClock,
};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::client::VaultClient;
use crate::config::VaultKvConfig;
use crate::http::Request;
use crate::timestamp::is_past;
use crate::wire::{self, decode_secret};

/// Named keys in one secret of a KV version 2 mount: its current version seals, every version that
/// is neither deleted nor destroyed opens.
///
/// # Contract
/// - That of [`KeyProvider`]. Version 3 of `apps/orders` has the id `orders.v3`; writing the secret
///   anew is the rotation, deleting or destroying a version retires its key.
/// - When the current version was deleted there is no current key: an older one does not silently
///   seal again.
/// - It needs `read` on `data/…` and `metadata/…` of the secret, and nothing else.
/// - KV keeps 10 versions unless `max_versions` says more: what it drops opens no more.
#[derive(Clone)]
pub struct VaultKvProvider {
    client: VaultClient,
    config: VaultKvConfig,
    clock: Arc<dyn Clock>,
}

#[derive(Deserialize)]
struct Metadata {
    current_version: u32,
    versions: BTreeMap<u32, Version>,
}

#[derive(Deserialize)]
struct Version {
    #[serde(default)]
    deletion_time: String,
    #[serde(default)]
    destroyed: bool,
}

impl Version {
    /// A deletion time may lie ahead: `delete_version_after` sets it when the version is written.
    fn is_there(&self, now_ms: u64) -> bool {
        !self.destroyed && (self.deletion_time.is_empty() || !is_past(&self.deletion_time, now_ms))
    }
}

#[derive(Deserialize)]
struct Secret<'a> {
    #[serde(borrow)]
    data: Option<BTreeMap<String, Field<'a>>>,
    metadata: SecretMetadata,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Field<'a> {
    Text(&'a str),
    Other(IgnoredAny),
}

#[derive(Deserialize)]
struct SecretMetadata {
    version: u32,
}

impl VaultKvProvider {
    /// A store in this secret.
    ///
    /// # Errors
    /// `InvalidInput` names the field to mend; nothing is sent.
    pub fn new(client: VaultClient, config: VaultKvConfig) -> Result<Self, KeyError> {
        config.validate()?;
        Ok(Self { client, config, clock: Arc::new(SystemClock::new()) })
    }

    /// The same, with another clock to hold `delete_version_after` against.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    async fn metadata(&self) -> Result<Metadata, KeyError> {
        let path = format!("{}/metadata/{}", self.config.mount, self.config.path);
        let answer = self.client.call(&Request::get(&path)).await?;
        wire::data(&answer, &path)
    }

    fn id_of(&self, version: u32) -> Result<EncryptionKeyId, KeyError> {
        EncryptionKeyId::new(&format!("{}{version}", self.config.id_prefix))
    }

    /// The version of an id. Version 0 would be the latest one, whichever that is.
    fn version_of(&self, id: &EncryptionKeyId) -> Option<u32> {
        let digits = id.as_str().strip_prefix(&self.config.id_prefix)?;
        let version = digits.parse().ok().filter(|version: &u32| *version > 0)?;
        (version.to_string() == digits).then_some(version)
    }
}

fn no_key(path: &str, id: &str, why: &str) -> KeyError {
    KeyError::new(KeyErrorKind::KeyNotFound, format!("{path}: {id}: {why}"))
}

#[async_trait]
impl KeyProvider for VaultKvProvider {
    async fn get_key(&self, id: &EncryptionKeyId) -> Result<Arc<EncryptionKey>, KeyError> {
        let path = format!("{}/data/{}", self.config.mount, self.config.path);
        let absent = || no_key(&path, id.as_str(), "there is no such version");
        let version = self.version_of(id).ok_or_else(absent)?;
        let request = Request::get(&path).with_query(format!("version={version}"));
        let answer = self.client.call(&request).await?;
        let secret: Secret<'_> = wire::data(&answer, &path)?;
        if secret.metadata.version != version {
            return Err(wire::unreadable(&path));
        }
        let malformed = |why: &str| {
            let why = format!("{path}: {}: {why}", id.as_str());
            KeyError::new(KeyErrorKind::Malformed, why)
        };
        let data = secret.data.ok_or_else(absent)?;
        let text = match data.get(&self.config.field) {
            Some(Field::Text(text)) => text,
            Some(Field::Other(_)) => return Err(malformed("the field is no text")),
            None => return Err(malformed("the secret has no such field")),
        };
        let key = decode_secret(text, &path).map_err(|_| malformed("the field is no base64"))?;
        EncryptionKey::from_slice(&key)
            .map(Arc::new)
            .map_err(|_| malformed("the field does not hold 32 bytes"))
    }

    async fn current_key_id(&self) -> Result<EncryptionKeyId, KeyError> {
        let metadata = self.metadata().await?;
        let current = metadata.current_version;
        let now_ms = self.clock.unix_ms();
        match metadata.versions.get(&current) {
            Some(version) if version.is_there(now_ms) => self.id_of(current),
            _ => Err(no_key(&self.config.path, "current", "the current version was deleted")),
        }
    }

    async fn valid_key_ids(&self) -> Result<Vec<EncryptionKeyId>, KeyError> {
        let now_ms = self.clock.unix_ms();
        let versions = self.metadata().await?.versions;
        let there = versions.iter().filter(|(_, version)| version.is_there(now_ms));
        there.map(|(version, _)| self.id_of(*version)).collect()
    }

    async fn health(&self) -> Result<(), KeyError> {
        self.client.health().await.into_result()
    }

    /// Ends the login of the client, for all its clones, and revokes its token.
    async fn close(&self) -> Result<(), KeyError> {
        self.client.close_and_revoke().await
    }
}

impl fmt::Debug for VaultKvProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultKvProvider")
            .field("client", &self.client)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
