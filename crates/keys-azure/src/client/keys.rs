//! The vault's keys: one method for each operation that this crate needs.

use std::collections::HashMap;

use azure_core::http::RequestContent;
use azure_security_keyvault_keys::models::{
    CreateKeyParameters, EncryptionAlgorithm, KeyAttributes,
    KeyClientListKeyPropertiesVersionsOptions, KeyClientWrapKeyOptions, KeyOperation,
    KeyOperationParameters, KeyProperties, KeyType,
};
use azure_security_keyvault_keys::{KeyClient, ResourceExt};
use futures_util::TryStreamExt;
use sealmq_crypto_core::KeyError;
use zeroize::Zeroizing;

use super::Calls;
use crate::config::{AzureConnection, KekKind};
use crate::error::{Call, Failed, Meaning};

/// Key Vault keeps that many versions of a key at most.
const MAX_VERSIONS: usize = 10_000;

/// The keys of a vault.
pub(crate) struct VaultKeys {
    client: KeyClient,
    calls: Calls,
    kind: KekKind,
}

/// What a list tells of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// The version id, 32 hexadecimal digits.
    pub(crate) id: String,
    /// Unix seconds.
    pub(crate) created: i64,
    pub(crate) tags: HashMap<String, String>,
}

impl VaultKeys {
    pub(crate) fn new(connection: &AzureConnection, kind: KekKind) -> Result<Self, KeyError> {
        Ok(Self {
            client: super::keys(connection)?,
            calls: Calls::new(connection.request_timeout),
            kind,
        })
    }

    /// Every version of a key, in no order; none of a key that is not there.
    pub(crate) async fn versions(&self, key: &str) -> Result<Vec<Listed>, Failed> {
        let call = Call::new(format!("listing the versions of key {key}"));
        let options = KeyClientListKeyPropertiesVersionsOptions {
            maxresults: Some(25),
            ..Default::default()
        };
        let pages = self.client.list_key_properties_versions(key, Some(options));
        let pages = pages.map_err(|error| call.failed(&error))?;
        let all = self.calls.within(&call, pages.try_collect::<Vec<KeyProperties>>());
        match all.await {
            Ok(all) => Ok(all.into_iter().take(MAX_VERSIONS).filter_map(listed).collect()),
            Err(Failed { meaning: Meaning::NotFound, .. }) => Ok(Vec::new()),
            Err(failed) => Err(failed),
        }
    }

    /// The shortest list that the vault gives: at most one version of a key.
    pub(crate) async fn ask(&self, key: &str) -> Result<(), Failed> {
        let call = Call::new(format!("asking the vault for key {key}"));
        let options =
            KeyClientListKeyPropertiesVersionsOptions { maxresults: Some(1), ..Default::default() };
        let pages = self.client.list_key_properties_versions(key, Some(options));
        let mut pages = pages.map_err(|error| call.failed(&error))?.into_pages();
        self.calls.within(&call, pages.try_next()).await.map(drop)
    }

    /// A first version of a key, or one more if it is there.
    pub(crate) async fn create(
        &self,
        key: &str,
        tags: HashMap<String, String>,
    ) -> Result<(), Failed> {
        let (kty, key_size) = match self.kind {
            KekKind::Rsa { bits, hsm: false } => (KeyType::Rsa, bits as i32), // at most 4096
            KekKind::Rsa { bits, hsm: true } => (KeyType::RsaHsm, bits as i32),
            KekKind::SymmetricHsm => (KeyType::OctHsm, 256),
        };
        self.create_with(
            key,
            CreateKeyParameters {
                kty: Some(kty),
                key_size: Some(key_size),
                key_ops: Some(vec![KeyOperation::WrapKey, KeyOperation::UnwrapKey]),
                tags: Some(tags),
                ..Default::default()
            },
        )
        .await
    }

    /// A key that can do nothing, to keep a name.
    pub(crate) async fn create_disabled(
        &self,
        key: &str,
        tags: HashMap<String, String>,
    ) -> Result<(), Failed> {
        let kty = match self.kind {
            KekKind::Rsa { hsm: false, .. } => KeyType::Ec,
            KekKind::Rsa { hsm: true, .. } | KekKind::SymmetricHsm => KeyType::EcHsm,
        };
        self.create_with(
            key,
            CreateKeyParameters {
                kty: Some(kty),
                key_attributes: Some(KeyAttributes { enabled: Some(false), ..Default::default() }),
                tags: Some(tags),
                ..Default::default()
            },
        )
        .await
    }

    async fn create_with(&self, key: &str, parameters: CreateKeyParameters) -> Result<(), Failed> {
        let call = Call::new(format!("creating key {key}"));
        let parameters = body(&call, parameters)?;
        self.calls.within(&call, self.client.create_key(key, parameters, None)).await?;
        Ok(())
    }

    /// One more version of a key; its id.
    pub(crate) async fn rotate(&self, key: &str) -> Result<String, KeyError> {
        let call = Call::new(format!("rotating key {key}"));
        let answer = self.calls.within(&call, self.client.rotate_key(key, None)).await?;
        let rotated = answer.into_model().map_err(|error| call.failed(&error))?;
        let id = rotated.resource_id().ok().and_then(|id| id.version);
        id.ok_or_else(|| call.odd("version"))
    }

    /// Whether there is a key of this name.
    pub(crate) async fn exists(&self, key: &str) -> Result<bool, Failed> {
        let call = Call::new(format!("looking for key {key}"));
        found(self.calls.within(&call, self.client.get_key(key, None)).await)
    }

    /// Whether a deleted key of this name waits to be purged or recovered.
    pub(crate) async fn is_deleted(&self, key: &str) -> Result<bool, Failed> {
        let call = Call::new(format!("looking for deleted key {key}"));
        found(self.calls.within(&call, self.client.get_deleted_key(key, None)).await)
    }

    /// Deletes a key; whether there was one.
    pub(crate) async fn delete(&self, key: &str) -> Result<bool, Failed> {
        let call = Call::new(format!("deleting key {key}"));
        found(self.calls.within(&call, self.client.delete_key(key, None)).await)
    }

    /// Purges a deleted key; whether there was one.
    pub(crate) async fn purge(&self, key: &str) -> Result<bool, Failed> {
        let call = Call::new(format!("purging deleted key {key}"));
        found(self.calls.within(&call, self.client.purge_deleted_key(key, None)).await)
    }

    /// Wraps these bytes by this version.
    pub(crate) async fn wrap(
        &self,
        key: &str,
        version: &str,
        inner: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        let call = Call::new(format!("wrapping a DEK by key {key}"));
        let parameters = self.parameters(&call, inner)?;
        let options =
            KeyClientWrapKeyOptions { key_version: Some(version.to_owned()), ..Default::default() };
        let wrap = self.client.wrap_key(key, parameters, Some(options));
        let answer = self.calls.within(&call, wrap).await?;
        let result = answer.into_model().map_err(|error| call.failed(&error))?;
        result.result.ok_or_else(|| call.odd("value"))
    }

    /// Unwraps these bytes by this version.
    pub(crate) async fn unwrap(
        &self,
        key: &str,
        version: &str,
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Failed> {
        let call = Call::unwrapping(format!("unwrapping a DEK by key {key}"));
        let parameters = self.parameters(&call, ciphertext)?;
        let unwrap = self.client.unwrap_key(key, version, parameters, None);
        let answer = self.calls.within(&call, unwrap).await?;
        let result = answer.into_model().map_err(|error| call.failed(&error))?;
        let odd = || Failed { meaning: Meaning::Unavailable, error: call.odd("value") };
        result.result.map(Zeroizing::new).ok_or_else(odd)
    }

    fn parameters(
        &self,
        call: &Call,
        value: &[u8],
    ) -> Result<RequestContent<KeyOperationParameters>, Failed> {
        let algorithm = match self.kind {
            KekKind::Rsa { .. } => EncryptionAlgorithm::RsaOaep256,
            KekKind::SymmetricHsm => EncryptionAlgorithm::A256Kw,
        };
        let parameters = KeyOperationParameters {
            algorithm: Some(algorithm),
            value: Some(value.to_vec()),
            ..Default::default()
        };
        body(call, parameters)
    }
}

fn body<T, C>(call: &Call, parameters: T) -> Result<RequestContent<C>, Failed>
where
    T: TryInto<RequestContent<C>, Error = azure_core::Error>,
{
    parameters.try_into().map_err(|error| call.failed(&error))
}

fn found<T>(outcome: Result<T, Failed>) -> Result<bool, Failed> {
    match outcome {
        Ok(_) => Ok(true),
        Err(Failed { meaning: Meaning::NotFound, .. }) => Ok(false),
        Err(failed) => Err(failed),
    }
}

fn listed(properties: KeyProperties) -> Option<Listed> {
    let id = properties.resource_id().ok()?.version?;
    let created = properties.attributes.and_then(|attributes| attributes.created)?;
    let tags = properties.tags.unwrap_or_default();
    Some(Listed { id, created: created.unix_timestamp(), tags })
}
