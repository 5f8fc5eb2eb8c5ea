//! A secret of Secrets Manager as a store of named keys.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, KeyError, KeyErrorKind, KeyProvider};

use crate::client;
use crate::config::{AwsSecretsConfig, secrets::is_version};
use crate::error::{Call, Meaning, malformed};
use crate::secret_value::key_of;

const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";

/// Named keys in AWS Secrets Manager: the versions of one secret.
///
/// # Contract
/// - That of [`KeyProvider`]. The id of a key is the id of its version.
/// - `AWSCURRENT` seals. `AWSCURRENT`, `AWSPREVIOUS`, pinned versions and those with a label that
///   begins with `sealmq-open-` open. `AWSPENDING` does neither.
/// - A version holds 32 bytes as binary secret, or as string secret their base64 (RFC 4648,
///   section 4, padded); the end of a line is ignored.
/// - Calls: `DescribeSecret` for the list, `GetSecretValue` for a key; one attempt each.
/// - The SDK's own buffers of an answer are freed without being overwritten.
#[derive(Clone)]
pub struct AwsSecretsProvider {
    sdk: Client,
    config: Arc<AwsSecretsConfig>,
}

impl AwsSecretsProvider {
    /// A provider over this configuration. No call is made to Secrets Manager yet.
    ///
    /// # Errors
    /// `InvalidInput` names the field that is not acceptable, or `region` if nothing names one.
    pub async fn connect(config: &AwsSecretsConfig) -> Result<Self, KeyError> {
        config.validate()?;
        let sdk = client::secrets(&config.connection).await?;
        Ok(Self { sdk, config: Arc::new(config.clone()) })
    }

    async fn describe(&self) -> Result<DescribeSecretOutput, KeyError> {
        let call = Call::new(format!("describing secret {}", self.config.secret_id), "secret_id");
        let request = self.sdk.describe_secret().secret_id(&self.config.secret_id);
        let answer = request.send().await.map_err(|error| call.failed(&error))?;
        if answer.deleted_date().is_some() {
            let context = format!("secret {} is marked for deletion", self.config.secret_id);
            return Err(KeyError::new(KeyErrorKind::Disabled, context));
        }
        Ok(answer)
    }

    fn opens(&self, id: &EncryptionKeyId, labels: &[String]) -> bool {
        let open = |label: &String| {
            label == CURRENT
                || label == PREVIOUS
                || label.starts_with(&self.config.open_label_prefix)
        };
        self.config.pinned_versions.contains(id) || labels.iter().any(open)
    }

    fn absent(&self, id: &EncryptionKeyId) -> KeyError {
        let context = format!("version {:?} of secret {}", id.as_str(), self.config.secret_id);
        KeyError::new(KeyErrorKind::KeyNotFound, context)
    }
}

#[async_trait]
impl KeyProvider for AwsSecretsProvider {
    async fn get_key(&self, id: &EncryptionKeyId) -> Result<Arc<EncryptionKey>, KeyError> {
        if !is_version(id.as_str()) {
            return Err(self.absent(id));
        }
        let what = format!("reading version {} of secret {}", id.as_str(), self.config.secret_id);
        let call = Call::new(what.as_str(), "key_id");
        let request = self.sdk.get_secret_value().secret_id(&self.config.secret_id);
        let answer = request.version_id(id.as_str()).send().await;
        let mut answer = answer.map_err(|error| {
            let failed = call.failed(&error);
            match failed.meaning {
                Meaning::NotFound => self.absent(id),
                _ => failed.error,
            }
        })?;
        let key = key_of(&mut answer, &what);
        if answer.version_id() != Some(id.as_str()) {
            return Err(malformed(format!("{what}: another version came")));
        }
        if !self.opens(id, answer.version_stages()) {
            return Err(self.absent(id));
        }
        key.map(Arc::new)
    }

    async fn current_key_id(&self) -> Result<EncryptionKeyId, KeyError> {
        let answer = self.describe().await?;
        let versions = answer.version_ids_to_stages().into_iter().flatten();
        let current = versions
            .filter(|(_, labels)| labels.iter().any(|label| label == CURRENT))
            .map(|(id, _)| id.as_str())
            .next();
        let Some(current) = current else {
            let context = format!("secret {} has no {CURRENT} version", self.config.secret_id);
            return Err(KeyError::new(KeyErrorKind::KeyNotFound, context));
        };
        EncryptionKeyId::new(current)
    }

    async fn valid_key_ids(&self) -> Result<Vec<EncryptionKeyId>, KeyError> {
        let answer = self.describe().await?;
        let mut valid = self.config.pinned_versions.clone();
        for (id, labels) in answer.version_ids_to_stages().into_iter().flatten() {
            let id = EncryptionKeyId::new(id)?;
            if self.opens(&id, labels) {
                valid.insert(id);
            }
        }
        Ok(valid.into_iter().collect())
    }

    fn refresh_interval(&self) -> Duration {
        self.config.refresh_interval
    }
}

impl fmt::Debug for AwsSecretsProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsSecretsProvider").field("config", &self.config).finish_non_exhaustive()
    }
}
