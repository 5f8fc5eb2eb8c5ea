//! Keys of Key Vault as a key service.

use std::fmt;

use async_trait::async_trait;
use sealmq_crypto_core::{
    EncryptionKey, GeneratedDek, KekVersion, KeyError, KeyManagementService, KmsCapabilities,
    TenantId, WrapContext, random_bytes, random_key,
};

use crate::authenticity::WrapAuthenticity;
use crate::binding::{bind, unbind};
use crate::client::VaultKeys;
use crate::config::{AzureKeyVaultConfig, KekKind};
use crate::error::{Failed, Meaning, malformed, no_tenant, no_version, shredded};
use crate::first_use::FirstUse;
use crate::versions::{Counted, parse_id, show_id};
use crate::wrapped::{self, Head, MAX_WRAPPED_LEN, Scheme, WrappedForm};
use crate::{health, lifecycle, tombstone};

/// A vault or managed HSM whose keys wrap DEKs.
///
/// # Contract
/// - That of [`KeyManagementService`]. KEKs never leave the vault.
/// - A DEK is bound to its [`WrapContext`]: what the vault wraps holds a hash of it. With
///   unauthenticated RSA this hinders nobody who makes a wrapped form by themselves, so
///   [`KmsCapabilities::associated_data`] is not claimed then.
/// - With wrap authentication, a form whose MAC does not verify is refused without asking the
///   vault.
/// - The wrapped form names its key version, and nothing else opens it. Old versions keep opening
///   until they are disabled or the tenant is shredded.
/// - Versions are counted in the order in which the vault created them. A rotation takes one to
///   three seconds, until its place is final. Clients that use a new tenant at the same moment may
///   create several keys, which all count as version 1.
/// - A shredded tenant leaves a disabled key behind, named like its key and `-shredded`: while
///   that is there, the tenant is refused.
/// - Requests: a DEK is made by two, one of which lists versions in pages of 25; it is unwrapped
///   by one. `health` is one, a list of one version; a refusal by a policy or role counts as
///   healthy: the vault answers, and knows the caller.
#[derive(Clone)]
pub struct AzureKeyVaultService {
    inner: std::sync::Arc<Inner>,
}

struct Inner {
    name: String,
    config: AzureKeyVaultConfig,
    keys: VaultKeys,
    authenticity: Option<WrapAuthenticity>,
    first_use: FirstUse,
}

impl AzureKeyVaultService {
    /// A service as configured. No I/O is done, except that a workload's token file is read.
    ///
    /// # Errors
    /// `InvalidInput` names the field that is not acceptable; `Denied` when the identity lacks
    /// what its environment should say.
    pub fn new(config: AzureKeyVaultConfig) -> Result<Self, KeyError> {
        config.validate()?;
        let keys = VaultKeys::new(&config.connection, config.kind)?;
        let authenticity = config.wrap_authentication.clone().map(WrapAuthenticity::new);
        let name = format!("azure-key-vault {}", config.connection.vault_url.trim_end_matches('/'));
        let inner = Inner { name, config, keys, authenticity, first_use: FirstUse::default() };
        Ok(Self { inner: inner.into() })
    }
}

impl Inner {
    fn key_of(&self, tenant: &TenantId) -> Result<String, KeyError> {
        self.config.key_of(tenant).ok_or_else(|| no_tenant(tenant))
    }

    async fn latest(&self, tenant: &TenantId, key: &str) -> Result<Counted, KeyError> {
        self.first_use.latest(&self.keys, tenant, key, self.config.auto_create).await
    }

    async fn wrap(&self, dek: &EncryptionKey, context: &WrapContext) -> Result<Vec<u8>, KeyError> {
        let tenant = context.tenant();
        let key = self.key_of(tenant)?;
        let version = self.latest(tenant, &key).await?;
        let scheme = match (self.config.kind, &self.authenticity) {
            (KekKind::SymmetricHsm, _) => Scheme::Symmetric,
            (KekKind::Rsa { .. }, Some(_)) => Scheme::AuthenticatedRsa,
            (KekKind::Rsa { .. }, None) => Scheme::BareRsa,
        };
        let version_id = parse_id(&version.id)?;
        let head = Head { scheme, version: version.number, version_id, salt: random_bytes()? };
        let inner = bind(dek, &head, context);
        let ciphertext = self.keys.wrap(&key, &version.id, &inner).await?;
        match &self.authenticity {
            None => wrapped::join(&head, &ciphertext, None),
            Some(authenticity) => {
                let mac_key = authenticity.current().await?;
                mac_key.seal(wrapped::join(&head, &ciphertext, Some(&mac_key.id))?, context)
            }
        }
    }

    async fn unwrap(
        &self,
        wrapped: &[u8],
        context: &WrapContext,
    ) -> Result<EncryptionKey, KeyError> {
        let WrappedForm { head, ciphertext, mac } = WrappedForm::parse(wrapped)?;
        let symmetric = matches!(self.config.kind, KekKind::SymmetricHsm);
        match (head.scheme, mac, &self.authenticity) {
            (Scheme::Symmetric, ..) if symmetric => {}
            (Scheme::AuthenticatedRsa, Some(mac), Some(authenticity)) => {
                authenticity.verify(&mac, &head, context).await?;
            }
            (Scheme::BareRsa, ..) if self.config.accepts_unauthenticated => {}
            (Scheme::BareRsa, ..) => {
                let reason = "a form that nobody authenticated, which this configuration refuses";
                return Err(malformed(reason));
            }
            _ => return Err(malformed("a form of another kind of key")),
        }
        let tenant = context.tenant();
        let key = self.key_of(tenant)?;
        match self.keys.unwrap(&key, &show_id(&head.version_id), ciphertext).await {
            Ok(inner) => unbind(&inner, &head, context),
            Err(Failed { meaning: Meaning::NotFound, .. }) => {
                Err(self.what_is_missing(tenant, &key, head.version).await)
            }
            Err(failed) => Err(failed.error),
        }
    }

    /// The vault answers alike to an absent version, an absent key and a deleted one.
    async fn what_is_missing(&self, tenant: &TenantId, key: &str, version: u32) -> KeyError {
        match self.keys.versions(key).await {
            Ok(versions) if versions.is_empty() => match tombstone::is_there(&self.keys, key).await
            {
                Ok(true) => shredded(tenant),
                _ => no_tenant(tenant),
            },
            Ok(_) => no_version(tenant, version),
            Err(failed) if failed.error.is_retryable() => failed.error,
            // A client that may do no more than unwrap is not told.
            Err(_) => no_version(tenant, version),
        }
    }
}

#[async_trait]
impl KeyManagementService for AzureKeyVaultService {
    fn name(&self) -> &str {
        &self.inner.name
    }

    fn capabilities(&self) -> KmsCapabilities {
        let mut capabilities = KmsCapabilities::full(MAX_WRAPPED_LEN);
        capabilities.associated_data = !self.inner.config.accepts_unauthenticated;
        capabilities.server_side_rewrap = false;
        capabilities
    }

    fn version_of(&self, wrapped: &[u8]) -> Option<KekVersion> {
        WrappedForm::parse(wrapped).ok().map(|form| KekVersion(form.head.version))
    }

    async fn generate_dek(&self, context: &WrapContext) -> Result<GeneratedDek, KeyError> {
        let dek = random_key()?;
        let wrapped = self.inner.wrap(&dek, context).await?;
        Ok(GeneratedDek { dek, wrapped })
    }

    async fn encrypt_dek(
        &self,
        dek: &EncryptionKey,
        context: &WrapContext,
    ) -> Result<Vec<u8>, KeyError> {
        self.inner.wrap(dek, context).await
    }

    async fn decrypt_dek(
        &self,
        wrapped: &[u8],
        context: &WrapContext,
    ) -> Result<EncryptionKey, KeyError> {
        self.inner.unwrap(wrapped, context).await
    }

    async fn rewrap_dek(&self, wrapped: &[u8], context: &WrapContext) -> Result<Vec<u8>, KeyError> {
        let dek = self.inner.unwrap(wrapped, context).await?;
        self.inner.wrap(&dek, context).await
    }

    async fn rotate_kek(&self, tenant: &TenantId) -> Result<KekVersion, KeyError> {
        let key = self.inner.key_of(tenant)?;
        let versions = crate::versions::count(self.inner.keys.versions(&key).await?);
        match versions.iter().max_by_key(|version| version.created) {
            Some(newest) => lifecycle::rotate(&self.inner.keys, tenant, &key, newest).await,
            // As first use.
            None => Ok(KekVersion(self.inner.latest(tenant, &key).await?.number)),
        }
    }

    async fn delete_kek(&self, tenant: &TenantId) -> Result<(), KeyError> {
        match self.inner.config.key_of(tenant) {
            Some(key) => lifecycle::shred(&self.inner.keys, &key, self.inner.config.purge).await,
            None => Ok(()), // it never had one
        }
    }

    async fn health(&self) -> Result<(), KeyError> {
        health::check(&self.inner.keys, self.inner.config.any_key()).await
    }
}

/// Shows no credentials.
impl fmt::Debug for AzureKeyVaultService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureKeyVaultService")
            .field("config", &self.inner.config)
            .finish_non_exhaustive()
    }
}
