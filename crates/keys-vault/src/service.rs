//! Transit as a key service: a key for each tenant, which wraps DEKs.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use sealmq_crypto_core::{
    EncryptionKey, GeneratedDek, KekVersion, KeyError, KeyErrorKind, KeyManagementService,
    KmsCapabilities, TenantId, WrapContext,
};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use crate::client::{VaultClient, is_absent};
use crate::config::VaultTransitConfig;
use crate::error::odd_answer;
use crate::http::Request;
use crate::key_names::key_name;
use crate::transit::{self, Item, Outcomes};
use crate::wire;
use crate::wrapped::{Ciphertext, MAX_WRAPPED_LEN};

/// The type of the keys. Others wrap in other forms, and are refused.
const KEY_TYPE: &str = "aes256-gcm96";

/// What takes the place of a shredded key: a key of a type that cannot encrypt. It keeps an
/// encryption from creating the key anew, on every version of both servers.
const TOMBSTONE_TYPE: &str = "ed25519";

/// How often a shredding begins anew because somebody used the tenant in between.
const SHREDDING_ATTEMPTS: usize = 16;

/// Wraps DEKs by keys of a Transit mount, one for each tenant.
///
/// # Contract
/// - That of [`KeyManagementService`]. A wrapped DEK is Transit's own text, `vault:vN:…`, bound to
///   [`WrapContext::associated_data`]; DEKs are made here and wrapped there.
/// - At run time it needs `update` on `encrypt/…` and `decrypt/…`. First use creates a tenant's key
///   where the policy grants `create` on `encrypt/…` as well, else it is `Denied` and names the
///   path.
/// - Re-wrapping decrypts and encrypts, because Transit's own re-wrapping knows no associated data:
///   the DEK is in this process for that time.
/// - A shredded tenant's key is deleted, and a key that can only sign takes its name, so that the
///   tenant stays refused. Who uses the tenant at the very moment may get DEKs that are shredded
///   with it.
/// - Rotations by this service, clones included, wait for one another, and one that was begun goes
///   on when its caller goes away. Of rotations by several processes at once OpenBao refuses some
///   (`Unavailable`), and counts their versions all the same, in its memory alone: rotate again
///   after such a refusal, so that what it counted is stored.
/// - A tenant's key is called prefix and tenant, `sealmq-acme`; other bytes than letters, digits
///   and inner `-` and `.` are `_` and two hexadecimal digits.
#[derive(Clone)]
pub struct VaultTransitService {
    client: VaultClient,
    config: VaultTransitConfig,
    name: String,
    rotations: Arc<Mutex<()>>,
}

#[derive(Deserialize)]
struct KeyInfo {
    latest_version: u32,
    #[serde(rename = "type")]
    kind: String,
}

impl VaultTransitService {
    /// A service on this mount.
    ///
    /// # Errors
    /// `InvalidInput` names the field to mend; nothing is sent.
    pub fn new(client: VaultClient, config: VaultTransitConfig) -> Result<Self, KeyError> {
        config.validate()?;
        let location = client.location();
        let name = format!("vault-transit {location} {} {}", config.mount, config.key_prefix);
        Ok(Self { client, config, name, rotations: Arc::default() })
    }

    /// The name of the Transit key of a tenant.
    pub fn key_name(&self, tenant: &TenantId) -> String {
        key_name(&self.config.key_prefix, tenant)
    }

    /// Wraps many DEKs of one tenant and scope with one call; the outcomes stand in the same order.
    ///
    /// # Errors
    /// Those of [`KeyManagementService::encrypt_dek`], when they concern the whole call.
    pub async fn encrypt_deks(
        &self,
        deks: &[&EncryptionKey],
        context: &WrapContext,
    ) -> Result<Vec<Result<Vec<u8>, KeyError>>, KeyError> {
        let (path, bound) = (self.path("encrypt", context.tenant()), context.associated_data());
        let items = items(deks.iter().map(|dek| dek.expose_secret().as_slice()), &bound);
        let sealed = transit::encrypt(&self.client, path.clone(), &items).await;
        let sealed = sealed.map_err(|error| match error.kind() {
            // The mount is set not to create keys on use. What a shredded tenant leaves behind is
            // refused item by item instead.
            KeyErrorKind::KeyNotFound => {
                let why = "there is no such key, and the mount creates none on first use";
                KeyError::new(KeyErrorKind::Denied, format!("{path}: {why}"))
            }
            _ => error,
        })?;
        let text = |sealed: Ciphertext| match sealed.is_wrapped_dek() {
            true => Ok(sealed.text().into_bytes()),
            false => Err(other_type(&path)),
        };
        Ok(sealed.into_iter().map(|sealed| sealed.and_then(text)).collect())
    }

    /// Unwraps many DEKs of one tenant and scope with one call; the outcomes stand in the same
    /// order. None is sent that cannot be a wrapped DEK.
    ///
    /// # Errors
    /// Those of [`KeyManagementService::decrypt_dek`], when they concern the whole call.
    pub async fn decrypt_deks(
        &self,
        wrapped: &[&[u8]],
        context: &WrapContext,
    ) -> Result<Vec<Result<EncryptionKey, KeyError>>, KeyError> {
        let (path, bound) = (self.path("decrypt", context.tenant()), context.associated_data());
        let fine = |form: &&[u8]| Ciphertext::parse_wrapped_dek(form).is_some();
        let items = items(wrapped.iter().copied().filter(fine), &bound);
        let opened = match items.is_empty() {
            true => Outcomes::new(),
            false => transit::decrypt(&self.client, path, &items).await?,
        };
        let mut opened = opened.into_iter();
        let outcome = |form: &&[u8]| match Some(form).filter(|form| fine(form)) {
            Some(_) => opened.next().ok_or_else(not_wrapped)?.and_then(|dek| dek_of(&dek)),
            None => Err(not_wrapped()),
        };
        Ok(wrapped.iter().map(outcome).collect())
    }

    /// Wraps many DEKs of one tenant and scope anew with two calls; the outcomes stand in the same
    /// order.
    ///
    /// # Errors
    /// Those of [`KeyManagementService::rewrap_dek`], when they concern a whole call.
    pub async fn rewrap_deks(
        &self,
        wrapped: &[&[u8]],
        context: &WrapContext,
    ) -> Result<Vec<Result<Vec<u8>, KeyError>>, KeyError> {
        let opened = self.decrypt_deks(wrapped, context).await?;
        let deks: Vec<_> = opened.iter().filter_map(|dek| dek.as_ref().ok()).collect();
        let sealed = match deks.is_empty() {
            true => Vec::new(),
            false => self.encrypt_deks(&deks, context).await?,
        };
        let mut sealed = sealed.into_iter();
        let outcome = |dek: &Result<EncryptionKey, KeyError>| match dek {
            Ok(_) => sealed.next().ok_or_else(not_wrapped)?,
            Err(error) => Err(error.clone()),
        };
        Ok(opened.iter().map(outcome).collect())
    }

    fn path(&self, operation: &str, tenant: &TenantId) -> String {
        format!("{}/{operation}/{}", self.config.mount, self.key_name(tenant))
    }

    fn require_administration(&self, what: &str) -> Result<(), KeyError> {
        if self.config.administers_keys {
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

    async fn rotate(&self, key: &str) -> Result<KekVersion, KeyError> {
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

fn items<'a>(inputs: impl Iterator<Item = &'a [u8]>, associated_data: &'a [u8]) -> Vec<Item<'a>> {
    inputs.map(|input| Item { input, associated_data }).collect()
}

fn dek_of(bytes: &[u8]) -> Result<EncryptionKey, KeyError> {
    EncryptionKey::from_slice(bytes).map_err(|_| not_wrapped())
}

/// Somebody made the key with another type, whose wrapped forms would not open here.
fn other_type(path: &str) -> KeyError {
    let why = format!("{path}: the key is not of the type {KEY_TYPE}");
    KeyError::new(KeyErrorKind::Denied, why)
}

fn not_wrapped() -> KeyError {
    KeyError::new(KeyErrorKind::Malformed, "it is no DEK that Transit wrapped")
}

fn only<T>(mut outcomes: Vec<Result<T, KeyError>>) -> Result<T, KeyError> {
    outcomes.pop().unwrap_or_else(|| Err(odd_answer("transit", "an empty batch")))
}

#[async_trait]
impl KeyManagementService for VaultTransitService {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> KmsCapabilities {
        let mut capabilities = KmsCapabilities::full(MAX_WRAPPED_LEN);
        capabilities.server_side_rewrap = false;
        capabilities.rotation = self.config.administers_keys;
        capabilities.deletion = self.config.administers_keys;
        capabilities
    }

    fn version_of(&self, wrapped: &[u8]) -> Option<KekVersion> {
        Ciphertext::parse_wrapped_dek(wrapped).map(|form| KekVersion(form.version))
    }

    async fn generate_dek(&self, context: &WrapContext) -> Result<GeneratedDek, KeyError> {
        let dek = EncryptionKey::generate().map_err(|error| {
            KeyError::new(KeyErrorKind::Unavailable, "no randomness").with_source(error)
        })?;
        let wrapped = self.encrypt_dek(&dek, context).await?;
        Ok(GeneratedDek { dek, wrapped })
    }

    async fn encrypt_dek(
        &self,
        dek: &EncryptionKey,
        context: &WrapContext,
    ) -> Result<Vec<u8>, KeyError> {
        only(self.encrypt_deks(&[dek], context).await?)
    }

    async fn decrypt_dek(
        &self,
        wrapped: &[u8],
        context: &WrapContext,
    ) -> Result<EncryptionKey, KeyError> {
        only(self.decrypt_deks(&[wrapped], context).await?)
    }

    async fn rewrap_dek(&self, wrapped: &[u8], context: &WrapContext) -> Result<Vec<u8>, KeyError> {
        only(self.rewrap_deks(&[wrapped], context).await?)
    }

    async fn rotate_kek(&self, tenant: &TenantId) -> Result<KekVersion, KeyError> {
        self.require_administration("rotating")?;
        let (service, key) = (self.clone(), self.path("keys", tenant));
        let rotation = tokio::spawn(async move {
            let _alone = service.rotations.lock().await;
            service.rotate(&key).await
        });
        rotation.await.unwrap_or_else(|_| {
            Err(odd_answer("rotating", "the runtime ended before the server's answer"))
        })
    }

    async fn delete_kek(&self, tenant: &TenantId) -> Result<(), KeyError> {
        self.require_administration("shredding")?;
        let key = self.path("keys", tenant);
        for _ in 0..SHREDDING_ATTEMPTS {
            // Creating a key that is there changes nothing and says what is there.
            if self.create(&key, TOMBSTONE_TYPE).await?.kind == TOMBSTONE_TYPE {
                return Ok(());
            }
            match self.delete(&key).await {
                Err(error) if is_absent(&error) => {} // somebody else deleted it
                outcome => outcome?,
            }
        }
        let why = format!("{key}: the tenant is used too much to be shredded");
        Err(KeyError::new(KeyErrorKind::Unavailable, why))
    }

    async fn health(&self) -> Result<(), KeyError> {
        self.client.health().await.into_result()
    }

    /// Ends the login of the client, for all its clones, and revokes its token.
    async fn close(&self) -> Result<(), KeyError> {
        self.client.close_and_revoke().await
    }
}

impl fmt::Debug for VaultTransitService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultTransitService")
            .field("client", &self.client)
            .field("config", &self.config)
            .finish()
    }
}
