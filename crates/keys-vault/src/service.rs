//! Transit as a key service: a key for each tenant, which wraps DEKs.

use std::fmt;

use async_trait::async_trait;
use sealmq_crypto_core::{
    EncryptionKey, GeneratedDek, KekVersion, KeyError, KeyErrorKind, KeyManagementService,
    KmsCapabilities, TenantId, WrapContext, random_key,
};

use crate::client::VaultClient;
use crate::config::VaultTransitConfig;
use crate::error::odd_answer;
use crate::key_names::key_name;
use crate::lifecycle::{Lifecycle, other_type};
use crate::transit::{self, Item, Outcomes};
use crate::wrapped::{Ciphertext, MAX_WRAPPED_LEN};

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
    lifecycle: Lifecycle,
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
        let lifecycle = Lifecycle::new(client.clone(), config.administers_keys);
        Ok(Self { client, config, name, lifecycle })
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
}

fn items<'a>(inputs: impl Iterator<Item = &'a [u8]>, associated_data: &'a [u8]) -> Vec<Item<'a>> {
    inputs.map(|input| Item { input, associated_data }).collect()
}

fn dek_of(bytes: &[u8]) -> Result<EncryptionKey, KeyError> {
    EncryptionKey::from_slice(bytes).map_err(|_| not_wrapped())
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
        let dek = random_key()?;
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
        self.lifecycle.rotate(self.path("keys", tenant)).await
    }

    async fn delete_kek(&self, tenant: &TenantId) -> Result<(), KeyError> {
        self.lifecycle.shred(&self.path("keys", tenant)).await
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
