//! AWS Secrets Manager under test, before a server that imitates it; every case has a secret of its
//! own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_secretsmanager::primitives::Blob;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, KeyProvider};
use sealmq_keys_aws::{AwsSecretsConfig, AwsSecretsProvider};
use sealmq_test_kit::required;

use super::{REGIONS, SECRET, connection, unique};
use crate::keys::provider::{KeyProviderBackend, KeyProviderHarness};
use crate::outcome::CaseResult;

const ENDPOINT: &str = "SEALMQ_AWS_SECRETS_ENDPOINT";

/// Versions of a secret; binary and string secrets take turns.
pub struct AwsSecretsBackend;

#[async_trait]
impl KeyProviderBackend for AwsSecretsBackend {
    fn name(&self) -> &'static str {
        "aws-secrets"
    }

    fn case_timeout(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn harness(&self) -> CaseResult<Box<dyn KeyProviderHarness>> {
        let config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGIONS[0]))
            .credentials_provider(Credentials::new("AKIDTEST", SECRET, None, None, "tests"))
            .endpoint_url(required(ENDPOINT))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        let operator = Client::from_conf(config);
        let secret = format!("contract/{}", unique());
        let first = Blob::new(EncryptionKey::generate()?.expose_secret().as_slice());
        operator.create_secret().name(&secret).secret_binary(first).send().await?;
        Ok(Box::new(SecretsHarness { operator, secret, versions: AtomicUsize::new(0) }))
    }
}

struct SecretsHarness {
    operator: Client,
    secret: String,
    versions: AtomicUsize,
}

impl SecretsHarness {
    fn config(&self) -> AwsSecretsConfig {
        AwsSecretsConfig::new(&self.secret)
            .with_connection(connection(&required(ENDPOINT), REGIONS[0]))
    }

    /// Puts a key into a new version, which is current.
    async fn put(&self) -> CaseResult<EncryptionKeyId> {
        let id = unique();
        let key = EncryptionKey::generate()?;
        let request = self.operator.put_secret_value().secret_id(&self.secret);
        let request = request.client_request_token(&id).version_stages("AWSCURRENT");
        let request = match self.versions.fetch_add(1, Ordering::Relaxed) % 2 {
            0 => request.secret_string(STANDARD.encode(key.expose_secret())),
            _ => request.secret_binary(Blob::new(key.expose_secret().as_slice())),
        };
        request.send().await?;
        Ok(EncryptionKeyId::new(&id)?)
    }

    fn label(id: &EncryptionKeyId) -> String {
        format!("sealmq-open-{id}")
    }
}

#[async_trait]
impl KeyProviderHarness for SecretsHarness {
    async fn client(&self) -> CaseResult<Arc<dyn KeyProvider>> {
        Ok(Arc::new(AwsSecretsProvider::connect(&self.config()).await?))
    }

    /// The version before stays open by `AWSPREVIOUS`, and by its own label after the next one.
    async fn rotate(&self) -> CaseResult<EncryptionKeyId> {
        let provider = AwsSecretsProvider::connect(&self.config()).await?;
        let before = provider.current_key_id().await?;
        let id = self.put().await?;
        let request = self.operator.update_secret_version_stage().secret_id(&self.secret);
        let request =
            request.version_stage(Self::label(&before)).move_to_version_id(before.as_str());
        request.send().await?;
        Ok(id)
    }

    async fn retire(&self, id: &EncryptionKeyId) -> CaseResult {
        let request = self.operator.update_secret_version_stage().secret_id(&self.secret);
        let request = request.version_stage(Self::label(id)).remove_from_version_id(id.as_str());
        request.send().await?;
        Ok(())
    }

    fn unknown_id(&self) -> CaseResult<EncryptionKeyId> {
        Ok(EncryptionKeyId::new(&unique())?)
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn shows(&self) -> Vec<String> {
        vec![format!("{:?}", self.config())]
    }

    fn secrets(&self) -> Vec<Vec<u8>> {
        vec![SECRET.into()]
    }
}
