//! AWS KMS as a key service.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use sealmq_crypto_core::{
    EncryptionKey, GeneratedDek, KekVersion, KeyError, KeyManagementService, KmsCapabilities,
    TenantId, WrapContext,
};
use zeroize::Zeroizing;

use crate::client;
use crate::config::{AwsKmsConfig, KmsKeys};
use crate::error::{Call, Failed, Meaning, malformed};
use crate::health;
use crate::keys::{Keys, same_key};
use crate::lifecycle::Lifecycle;
use crate::wrapped::{self, MAX_WRAPPED_LEN};

/// AWS KMS as a key service.
///
/// # Contract
/// - That of [`KeyManagementService`], as far as the keys allow it:
///
/// | | [`KmsKeys::PerTenant`] | [`KmsKeys::Mapped`] | [`KmsKeys::Shared`] |
/// | --- | --- | --- | --- |
/// | a tenant is kept apart by | its keys and the context | its keys and the context | the context |
/// | first use | creates version 1 if that is on | `Denied` | serves |
/// | a version is | a key behind `PREFIX/TENANT/vN` | a place in the list | a place in the list |
/// | `rotate_kek` | a new key; `PREFIX/TENANT` moves to it | `Denied`: append to the list | `Denied`: append to the list |
/// | `delete_kek` | schedules the deletion of all versions | of all keys of the list | `Denied` |
///
/// - DEKs are made by `GenerateDataKey`, opened by `Decrypt` and moved by `ReEncrypt`, always with
///   an explicit key and with the pairs of [`WrapContext::pairs`] as encryption context. It is in
///   the clear in CloudTrail and can be held to conditions in policies (`kms:EncryptionContext:tenant`).
/// - A wrapped DEK is `key_version u32 BE ‖ CiphertextBlob`. What stands in the version is looked
///   up in the configuration; the key that `CiphertextBlob` names is compared by KMS.
/// - KMS rotates the material inside a key, too, on a schedule or by
///   [`AwsKmsService::rotate_key_material`]. That changes no version, and whatever was wrapped
///   opens as before.
/// - A shredded tenant is refused at once, and its keys are gone for good when the waiting period
///   ends; until then an operator can bring them back (`CancelKeyDeletion`).
/// - One attempt each; several calls where a version is met for the first time.
/// - `health` is one `DescribeKey`, a request that KMS charges for like any other. A refusal by a
///   policy counts as healthy: KMS answers, and knows the caller.
/// - The SDK's own buffers of requests and answers are freed without being overwritten.
#[derive(Clone)]
pub struct AwsKmsService {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    keys: Arc<Keys>,
    lifecycle: Arc<Lifecycle>,
    config: AwsKmsConfig,
}

impl AwsKmsService {
    /// A service over this configuration. No call is made to KMS yet.
    ///
    /// # Errors
    /// `InvalidInput` names the field that is not acceptable, or `region` if nothing names one.
    pub async fn connect(config: &AwsKmsConfig) -> Result<Self, KeyError> {
        config.validate()?;
        let (sdk, place) = client::kms(&config.connection).await?;
        let name = format!("aws-kms in {place}: {}", summary(&config.keys));
        let keys = Arc::new(Keys::new(sdk, config.keys.clone()));
        let lifecycle = Arc::new(Lifecycle::new(Arc::clone(&keys), config));
        Ok(Self { inner: Arc::new(Inner { name, keys, lifecycle, config: config.clone() }) })
    }

    /// Has KMS rotate the material inside the key that wraps for this tenant
    /// (`RotateKeyOnDemand`): for all tenants, where the key is theirs, too.
    ///
    /// # Contract
    /// - KMS begins the rotation and answers; it ends within minutes. No version changes.
    /// - KMS allows it 25 times for each key, and only for symmetric keys with its own material; of
    ///   a multi-region key for the primary one.
    ///
    /// # Errors
    /// `Denied` when it is not offered for this key or its 25 times are used up, or a policy does not allow it;
    /// `Unavailable` when a rotation is under way; else as [`KeyManagementService::rotate_kek`].
    pub async fn rotate_key_material(&self, tenant: &TenantId) -> Result<(), KeyError> {
        let keys = &self.inner.keys;
        let name = keys.sealing(tenant).await?;
        let call = Call::new(format!("rotating the material of {name}"), "keys");
        let key = match keys.keys {
            // This call takes no alias.
            KmsKeys::PerTenant { .. } => {
                let described = keys.describe(&name).await?;
                described.ok_or_else(|| crate::error::no_tenant(tenant))?.arn
            }
            KmsKeys::Shared(_) | KmsKeys::Mapped(_) => name,
        };
        let request = keys.sdk.rotate_key_on_demand().key_id(key);
        request.send().await.map(|_| ()).map_err(|error| call.failed(&error).into())
    }

    /// A DEK by this key, and the key that KMS used.
    async fn generate(
        &self,
        key: &str,
        context: &WrapContext,
    ) -> Result<(EncryptionKey, Option<Blob>, Option<String>), Failed> {
        let call = Call::new(format!("generating a DEK by {key}"), "context");
        let request = self.inner.keys.sdk.generate_data_key().key_id(key);
        let request = request.key_spec(DataKeySpec::Aes256);
        let request = request.set_encryption_context(Some(pairs(context)));
        let answer = request.send().await.map_err(|error| call.failed(&error))?;
        Ok((dek_of(answer.plaintext)?, answer.ciphertext_blob, answer.key_id))
    }

    /// The ciphertext of a DEK by this key, and the key that KMS used.
    async fn encrypt(
        &self,
        key: &str,
        dek: &EncryptionKey,
        context: &WrapContext,
    ) -> Result<(Option<Blob>, Option<String>), Failed> {
        let call = Call::new(format!("wrapping a DEK by {key}"), "context");
        let request = self.inner.keys.sdk.encrypt().key_id(key);
        let request = request.plaintext(Blob::new(dek.expose_secret().as_slice()));
        let request = request.set_encryption_context(Some(pairs(context)));
        let answer = request.send().await.map_err(|error| call.failed(&error))?;
        Ok((answer.ciphertext_blob, answer.key_id))
    }

    /// The wrapped form of a ciphertext by the key that KMS says it used.
    async fn form(
        &self,
        tenant: &TenantId,
        ciphertext: Option<Blob>,
        key: Option<String>,
    ) -> Result<Vec<u8>, KeyError> {
        let (Some(ciphertext), Some(key)) = (ciphertext, key) else {
            return Err(malformed("an answer of KMS without a ciphertext or its key"));
        };
        let version = self.inner.keys.version_of(tenant, &key).await?;
        wrapped::join(version, ciphertext.as_ref())
    }

    /// The key to go on with after a call that failed, if the tenant had none yet.
    async fn first_key(&self, failed: Failed, tenant: &TenantId) -> Result<String, KeyError> {
        match (&self.inner.keys.keys, failed.meaning) {
            (KmsKeys::PerTenant { .. }, Meaning::NotFound) => {
                self.inner.lifecycle.first(tenant).await
            }
            _ => Err(failed.into()),
        }
    }
}

#[async_trait]
impl KeyManagementService for AwsKmsService {
    fn name(&self) -> &str {
        &self.inner.name
    }

    fn capabilities(&self) -> KmsCapabilities {
        let mut capabilities = KmsCapabilities::full(MAX_WRAPPED_LEN);
        capabilities.rotation = matches!(self.inner.config.keys, KmsKeys::PerTenant { .. });
        capabilities.deletion = !matches!(self.inner.config.keys, KmsKeys::Shared(_));
        capabilities
    }

    fn version_of(&self, wrapped: &[u8]) -> Option<KekVersion> {
        wrapped::split(wrapped).ok().map(|(version, _)| KekVersion(version))
    }

    async fn generate_dek(&self, context: &WrapContext) -> Result<GeneratedDek, KeyError> {
        let tenant = context.tenant();
        let key = self.inner.keys.sealing(tenant).await?;
        let (dek, ciphertext, key) = match self.generate(&key, context).await {
            Err(failed) => {
                let key = self.first_key(failed, tenant).await?;
                self.generate(&key, context).await?
            }
            Ok(made) => made,
        };
        Ok(GeneratedDek { dek, wrapped: self.form(tenant, ciphertext, key).await? })
    }

    async fn encrypt_dek(
        &self,
        dek: &EncryptionKey,
        context: &WrapContext,
    ) -> Result<Vec<u8>, KeyError> {
        let tenant = context.tenant();
        let key = self.inner.keys.sealing(tenant).await?;
        let (ciphertext, key) = match self.encrypt(&key, dek, context).await {
            Err(failed) => {
                let key = self.first_key(failed, tenant).await?;
                self.encrypt(&key, dek, context).await?
            }
            Ok(made) => made,
        };
        self.form(tenant, ciphertext, key).await
    }

    async fn decrypt_dek(
        &self,
        wrapped: &[u8],
        context: &WrapContext,
    ) -> Result<EncryptionKey, KeyError> {
        let (version, ciphertext) = wrapped::split(wrapped)?;
        let key = self.inner.keys.opening(context.tenant(), version).await?;
        let call = Call::new(format!("unwrapping a DEK by {key}"), "context");
        let request = self.inner.keys.sdk.decrypt().key_id(&key);
        let request = request.ciphertext_blob(Blob::new(ciphertext));
        let request = request.set_encryption_context(Some(pairs(context)));
        let answer = request.send().await.map_err(|error| call.failed(&error))?;
        check_used(&key, answer.key_id())?;
        Ok(dek_of(answer.plaintext)?)
    }

    async fn rewrap_dek(&self, wrapped: &[u8], context: &WrapContext) -> Result<Vec<u8>, KeyError> {
        let (version, ciphertext) = wrapped::split(wrapped)?;
        let tenant = context.tenant();
        let from = self.inner.keys.opening(tenant, version).await?;
        let to = self.inner.keys.sealing(tenant).await?;
        let call = Call::new(format!("re-wrapping a DEK from {from} to {to}"), "context");
        let request = self.inner.keys.sdk.re_encrypt().source_key_id(&from);
        let request = request.ciphertext_blob(Blob::new(ciphertext)).destination_key_id(to);
        let request = request
            .set_source_encryption_context(Some(pairs(context)))
            .set_destination_encryption_context(Some(pairs(context)));
        let answer = request.send().await.map_err(|error| call.failed(&error))?;
        check_used(&from, answer.source_key_id())?;
        self.form(tenant, answer.ciphertext_blob, answer.key_id).await
    }

    async fn rotate_kek(&self, tenant: &TenantId) -> Result<KekVersion, KeyError> {
        self.inner.lifecycle.rotate(tenant).await
    }

    async fn delete_kek(&self, tenant: &TenantId) -> Result<(), KeyError> {
        self.inner.lifecycle.delete(tenant).await
    }

    async fn health(&self) -> Result<(), KeyError> {
        health::check(&self.inner.keys).await
    }
}

impl fmt::Debug for AwsKmsService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsKmsService").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

fn summary(keys: &KmsKeys) -> String {
    match keys {
        KmsKeys::PerTenant { alias_prefix } => format!("{alias_prefix}/*"),
        KmsKeys::Shared(keys) => keys.join(" "),
        KmsKeys::Mapped(tenants) => {
            let pairs = tenants.iter().map(|(tenant, keys)| format!("{tenant}={}", keys.join(" ")));
            pairs.collect::<Vec<_>>().join(", ")
        }
    }
}

fn pairs(context: &WrapContext) -> HashMap<String, String> {
    let pairs = context.pairs().into_iter();
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn check_used(asked: &str, used: Option<&str>) -> Result<(), KeyError> {
    match used {
        Some(used) if same_key(asked, used) => Ok(()),
        _ => Err(malformed(format!("KMS did not say that it used {asked}"))),
    }
}

fn dek_of(plaintext: Option<Blob>) -> Result<EncryptionKey, Failed> {
    let bytes = Zeroizing::new(plaintext.map(Blob::into_inner).unwrap_or_default());
    EncryptionKey::from_slice(&bytes).map_err(|_| Failed {
        meaning: Meaning::Invalid,
        error: malformed(format!("KMS gave a DEK of {} bytes", bytes.len())),
    })
}
