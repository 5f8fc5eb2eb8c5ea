//! The life of a tenant's Transit key: the next version, and the end of all.

use std::sync::Arc;

use sealmq_crypto_core::{KekVersion, KeyError, KeyErrorKind};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use crate::client::{VaultClient, is_absent};
use crate::error::odd_answer;
use crate::http::Request;
use crate::wire;

/// The type of the keys. Others wrap in other forms, and are refused.
const KEY_TYPE: &str = "aes256-gcm96";

/// What takes the place of a shredded key: a key of a type that cannot encrypt. It keeps an
/// encryption from creating the key anew, on every version of both servers.
const TOMBSTONE_TYPE: &str = "ed25519";

/// How often a shredding begins anew because somebody used the tenant in between.
const SHREDDING_ATTEMPTS: usize = 16;

/// What rotates and shreds keys, for who may.
#[derive(Clone)]
pub(crate) struct Lifecycle {
    client: VaultClient,
    administers_keys: bool,
    /// One at a time.
    rotations: Arc<Mutex<()>>,
}

#[derive(Deserialize)]
struct KeyInfo {
    latest_version: u32,
    #[serde(rename = "type")]
    kind: String,
}

impl Lifecycle {
    pub(crate) fn new(client: VaultClient, administers_keys: bool) -> Self {
        Self { client, administers_keys, rotations: Arc::default() }
    }

    /// Gives the key at this path another version, or makes its first.
    pub(crate) async fn rotate(&self, key: String) -> Result<KekVersion, KeyError> {
        self.require_administration("rotating")?;
        let this = self.clone();
        let rotation = tokio::spawn(async move {
            let _alone = this.rotations.lock().await;
            this.rotate_alone(&key).await
        });
        rotation.await.unwrap_or_else(|_| {
            Err(odd_answer("rotating", "the runtime ended before the server's answer"))
        })
    }

    /// Deletes the key at this path, and keeps it from being made anew.
    pub(crate) async fn shred(&self, key: &str) -> Result<(), KeyError> {
        self.require_administration("shredding")?;
        for _ in 0..SHREDDING_ATTEMPTS {
            // Creating a key that is there changes nothing and says what is there.
            if self.create(key, TOMBSTONE_TYPE).await?.kind == TOMBSTONE_TYPE {
                return Ok(());
            }
            match self.delete(key).await {
                Err(error) if is_absent(&error) => {} // somebody else deleted it
                outcome => outcome?,
            }
        }
        let why = format!("{key}: the tenant is used too much to be shredded");
        Err(KeyError::new(KeyErrorKind::Unavailable, why))
    }

    fn require_administration(&self, what: &str) -> Result<(), KeyError> {
        if self.administers_keys {
            return Ok(());
        }
        let why = format!("this client is configured without the administration of keys: {what}");
        Err(KeyError::new(KeyErrorKind::Denied, why))
    }

    /// What became of a change to a key. Older servers do not say it.
    async fn change(&self, request: Request, key: &str) -> Result<KeyInfo, KeyError> {
        let answer = self.client.call(&request).await?;
        if answer.status != 204 {
            return wire::data(&answer, request.path());
        }
        let request = Request::get(key);
        let answer = self.client.call(&request).await?;
        wire::data(&answer, request.path())
    }

    async fn rotate_alone(&self, key: &str) -> Result<KekVersion, KeyError> {
        let rotate = Request::post(format!("{key}/rotate"), wire::body(&json!({})));
        let info = match self.change(rotate, key).await {
            Err(error) if is_absent(&error) => self.create(key, KEY_TYPE).await?,
            outcome => outcome?,
        };
        match info.kind.as_str() {
            KEY_TYPE => Ok(KekVersion(info.latest_version)),
            TOMBSTONE_TYPE => {
                let why = format!("{key}: the key was shredded");
                Err(KeyError::new(KeyErrorKind::KeyNotFound, why))
            }
            _ => Err(other_type(key)),
        }
    }

    async fn create(&self, key: &str, kind: &str) -> Result<KeyInfo, KeyError> {
        let body = wire::body(&json!({ "type": kind }));
        self.change(Request::post(key, body), key).await
    }

    async fn delete(&self, key: &str) -> Result<(), KeyError> {
        let body = wire::body(&json!({ "deletion_allowed": true }));
        self.client.call(&Request::post(format!("{key}/config"), body)).await?;
        self.client.call(&Request::delete(key)).await.map(drop)
    }
}

/// Somebody made the key with another type, whose wrapped forms would not open here.
pub(crate) fn other_type(path: &str) -> KeyError {
    let why = format!("{path}: the key is not of the type {KEY_TYPE}");
    KeyError::new(KeyErrorKind::Denied, why)
}
