//! A secret of Key Vault as a store of named keys.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_security_keyvault_secrets::models::{
    Secret, SecretClientGetSecretOptions, SecretClientListSecretPropertiesVersionsOptions,
    SecretProperties,
};
use azure_security_keyvault_secrets::{ResourceExt, SecretClient};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::TryStreamExt;
use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, KeyError, KeyErrorKind, KeyProvider};
use zeroize::Zeroizing;

use crate::client::{self, Calls};
use crate::config::AzureSecretsConfig;
use crate::error::{Call, malformed};
use crate::versions::is_id;

/// The versions of a secret, as keys: the vault's current one seals, every enabled one opens.
///
/// # Contract
/// - The id of a key is the version of the secret: 32 lower-case hexadecimal digits.
/// - A version holds 32 bytes in base64. Times of activation and expiry only inform, as they do in
///   Key Vault.
/// - If the current version is disabled, nothing seals: `Disabled`.
/// - The version that seals is asked for with its value, which is overwritten at once: Key Vault
///   does not tell which one it is otherwise. Needs `get` and `list` of secrets.
pub struct AzureSecretsProvider {
    config: AzureSecretsConfig,
    client: SecretClient,
    calls: Calls,
}

impl AzureSecretsProvider {
    /// A store as configured. No I/O is done, except that a workload's token file is read.
    ///
    /// # Errors
    /// `InvalidInput` names the field that is not acceptable; `Denied` when the identity lacks
    /// what its environment should say.
    pub fn new(config: AzureSecretsConfig) -> Result<Self, KeyError> {
        config.validate()?;
        let client = client::secrets(&config.connection)?;
        let calls = Calls::new(config.connection.request_timeout);
        Ok(Self { config, client, calls })
    }

    async fn get(&self, call: &Call, version: Option<&str>) -> Result<Secret, KeyError> {
        let options = SecretClientGetSecretOptions {
            secret_version: version.map(str::to_owned),
            ..Default::default()
        };
        let get = self.client.get_secret(&self.config.secret, Some(options));
        let answer = self.calls.within(call, get).await?;
        Ok(answer.into_model().map_err(|error| call.failed(&error))?)
    }

    fn call(&self, what: &str) -> Call {
        Call::new(format!("{what} of secret {}", self.config.secret))
    }
}

#[async_trait]
impl KeyProvider for AzureSecretsProvider {
    async fn get_key(&self, id: &EncryptionKeyId) -> Result<Arc<EncryptionKey>, KeyError> {
        let what = format!("version {id} of secret {}", self.config.secret);
        if !is_id(id.as_str()) {
            return Err(KeyError::new(KeyErrorKind::KeyNotFound, what));
        }
        let call = Call::new(format!("reading {what}"));
        let secret = self.get(&call, Some(id.as_str())).await?;
        let value = Zeroizing::new(secret.value.unwrap_or_default());
        key_of(&value, &what).map(Arc::new)
    }

    async fn current_key_id(&self) -> Result<EncryptionKeyId, KeyError> {
        let call = self.call("reading the current version");
        let mut secret = self.get(&call, None).await?;
        drop(secret.value.take().map(Zeroizing::new));
        let id = secret.resource_id().ok().and_then(|id| id.version);
        EncryptionKeyId::new(&id.ok_or_else(|| call.odd("version"))?)
    }

    async fn valid_key_ids(&self) -> Result<Vec<EncryptionKeyId>, KeyError> {
        let call = self.call("listing the versions");
        let options = SecretClientListSecretPropertiesVersionsOptions {
            maxresults: Some(25),
            ..Default::default()
        };
        let pages = self.client.list_secret_properties_versions(&self.config.secret, Some(options));
        let pages = pages.map_err(|error| call.failed(&error))?;
        let all = pages.try_collect::<Vec<SecretProperties>>();
        let all = self.calls.within(&call, all).await?;
        all.into_iter().filter(is_enabled).map(|version| id_of(&call, &version)).collect()
    }

    fn refresh_interval(&self) -> Duration {
        self.config.refresh_interval
    }
}

fn is_enabled(version: &SecretProperties) -> bool {
    version.attributes.as_ref().is_some_and(|attributes| attributes.enabled == Some(true))
}

fn id_of(call: &Call, version: &SecretProperties) -> Result<EncryptionKeyId, KeyError> {
    let id = version.resource_id().ok().and_then(|id| id.version);
    EncryptionKeyId::new(&id.ok_or_else(|| call.odd("version"))?)
}

fn key_of(value: &str, what: &str) -> Result<EncryptionKey, KeyError> {
    // A file or a shell may have left the end of the line. The decoder's own error tells of the
    // secret's bytes.
    let decoded = STANDARD.decode(value.trim_end().as_bytes()).map(Zeroizing::new);
    let bytes = decoded.map_err(|_| malformed(format!("{what}: no base64")))?;
    EncryptionKey::from_slice(&bytes)
        .map_err(|_| malformed(format!("{what}: a key has {} bytes", EncryptionKey::LEN)))
}

/// Shows no credentials.
impl fmt::Debug for AzureSecretsProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureSecretsProvider").field("config", &self.config).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_base64_of_32_bytes() {
        let text = STANDARD.encode([7; 32]);
        for value in [text.clone(), format!("{text}\n")] {
            assert_eq!(key_of(&value, "key").unwrap().expose_secret(), &[7; 32]);
        }
    }

    #[test]
    fn anything_else_is_malformed_and_not_shown() {
        let text = STANDARD.encode([7; 32]);
        for value in ["", text.trim_end_matches('='), &STANDARD.encode([7; 33]), "{\"k\":\"BwcH\"}"]
        {
            let error = key_of(value, "version").unwrap_err();
            assert_eq!(*error.kind(), KeyErrorKind::Malformed);
            assert!(!format!("{error} {error:?}").contains("Bwc"), "{error:?}");
        }
    }
}
