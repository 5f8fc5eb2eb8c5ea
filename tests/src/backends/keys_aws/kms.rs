//! AWS KMS under test, before a server that imitates it; every case has keys of its own.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
use sealmq_crypto_core::{KeyErrorKind, KeyManagementService};
use sealmq_keys_aws::{AwsKmsConfig, AwsKmsService};
use sealmq_test_kit::{HttpProxy, free_port};

use super::kms_states::KmsStates;
use super::{SECRET, address, connection, region, unique};
use crate::keys::kms::{BadForm, KmsBackend, KmsHarness};
use crate::outcome::CaseResult;

const ENDPOINT: &str = "SEALMQ_AWS_KMS_ENDPOINT";

/// A proxy that refuses what KMS refuses.
struct Kms {
    proxy: HttpProxy,
    region: &'static str,
}

async fn kms() -> Kms {
    let proxy = HttpProxy::before(address(ENDPOINT)).await;
    let mut states = KmsStates::default();
    proxy.screen(move |request| states.answer(request));
    Kms { proxy, region: region() }
}

async fn service(kms: &Kms, config: AwsKmsConfig) -> CaseResult<Arc<AwsKmsService>> {
    let config = config.with_connection(connection(&kms.proxy.url(), kms.region));
    Ok(Arc::new(AwsKmsService::connect(&config).await?))
}

async fn service_that_is_down(config: AwsKmsConfig) -> CaseResult<Arc<AwsKmsService>> {
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let config = config.with_connection(connection(&nowhere, region()));
    Ok(Arc::new(AwsKmsService::connect(&config).await?))
}

/// The version stands first; what follows is KMS's own, which tells no reasons.
fn refusals_of(form: BadForm) -> Vec<KeyErrorKind> {
    use KeyErrorKind as K;
    match form {
        BadForm::Changed { at: 0..4, .. } | BadForm::Random => vec![K::WrongKeyVersion],
        BadForm::Changed { .. } => vec![K::ContextMismatch],
        BadForm::Truncated | BadForm::Oversized => vec![K::ContextMismatch, K::Malformed],
        other => other.usual_refusals(),
    }
}

/// KMS with keys of each tenant.
pub struct PerTenantBackend;

#[async_trait]
impl KmsBackend for PerTenantBackend {
    fn name(&self) -> &'static str {
        "aws-kms-per-tenant"
    }

    fn case_timeout(&self) -> Duration {
        Duration::from_secs(90)
    }

    async fn harness(&self) -> CaseResult<Box<dyn KmsHarness>> {
        Ok(Box::new(PerTenantHarness { kms: kms().await, run: unique() }))
    }
}

struct PerTenantHarness {
    kms: Kms,
    run: String,
}

impl PerTenantHarness {
    fn config(&self, whose: &str) -> AwsKmsConfig {
        AwsKmsConfig::per_tenant(format!("alias/sealmq-{}/{whose}", self.run))
            .with_alias_settling(Duration::ZERO)
            .with_auto_create(true)
    }
}

#[async_trait]
impl KmsHarness for PerTenantHarness {
    async fn client(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Ok(service(&self.kms, self.config("ours")).await?)
    }

    async fn stranger(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Ok(service(&self.kms, self.config("theirs")).await?)
    }

    async fn client_that_creates_nothing(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Ok(service(&self.kms, self.config("ours").with_auto_create(false)).await?)
    }

    async fn client_of_a_service_that_is_down(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Ok(service_that_is_down(self.config("ours")).await?)
    }

    fn refusals_of(&self, form: BadForm) -> Vec<KeyErrorKind> {
        refusals_of(form)
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn shows(&self) -> Vec<String> {
        let config =
            self.config("ours").with_connection(connection(&self.kms.proxy.url(), self.kms.region));
        vec![format!("{config:?}")]
    }

    fn secrets(&self) -> Vec<Vec<u8>> {
        vec![SECRET.into()]
    }
}

/// KMS with one key for all tenants.
pub struct SharedBackend;

#[async_trait]
impl KmsBackend for SharedBackend {
    fn name(&self) -> &'static str {
        "aws-kms-shared"
    }

    fn case_timeout(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn harness(&self) -> CaseResult<Box<dyn KmsHarness>> {
        let kms = kms().await;
        let (ours, theirs) = (create_key(&kms, "ours").await?, create_key(&kms, "theirs").await?);
        let shown = service(&kms, AwsKmsConfig::shared([ours.as_str()])).await?;
        Ok(Box::new(SharedHarness { kms, ours, theirs, shown: format!("{shown:?}") }))
    }
}

/// Makes a key as an operator does, and gives its alias.
async fn create_key(kms: &Kms, whose: &str) -> CaseResult<String> {
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(kms.region))
        .credentials_provider(Credentials::new("AKIDTEST", SECRET, None, None, "tests"))
        .endpoint_url(kms.proxy.url())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let sdk = aws_sdk_kms::Client::from_conf(config);
    let made = sdk.create_key().send().await?;
    let arn = made.key_metadata().and_then(|key| key.arn()).unwrap_or_default();
    let alias = format!("alias/sealmq-{}/{whose}", unique());
    sdk.create_alias().alias_name(&alias).target_key_id(arn).send().await?;
    Ok(alias)
}

struct SharedHarness {
    kms: Kms,
    ours: String,
    theirs: String,
    shown: String,
}

#[async_trait]
impl KmsHarness for SharedHarness {
    async fn client(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Ok(service(&self.kms, AwsKmsConfig::shared([self.ours.as_str()])).await?)
    }

    async fn stranger(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Ok(service(&self.kms, AwsKmsConfig::shared([self.theirs.as_str()])).await?)
    }

    async fn client_of_a_service_that_is_down(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Ok(service_that_is_down(AwsKmsConfig::shared([self.ours.as_str()])).await?)
    }

    fn refusals_of(&self, form: BadForm) -> Vec<KeyErrorKind> {
        refusals_of(form)
    }

    fn shows(&self) -> Vec<String> {
        vec![self.shown.clone()]
    }

    fn secrets(&self) -> Vec<Vec<u8>> {
        vec![SECRET.into()]
    }
}
