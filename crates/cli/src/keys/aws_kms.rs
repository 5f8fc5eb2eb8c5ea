//! AWS KMS, or a stand-in for it.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sealmq::aws::{AwsKmsConfig, AwsKmsService, KmsKeys};
use sealmq::{KeyError, KeyManagementService};

use super::{KeySource, Purpose};
use crate::stand_in;

/// The least that KMS takes.
const DELETION_WINDOW_DAYS: u32 = 7;

pub(super) struct AwsKmsSource {
    config: AwsKmsConfig,
}

impl AwsKmsSource {
    /// What the environment says, at this endpoint if there is one.
    pub(super) fn at(endpoint_url: &str, purpose: Purpose) -> Result<Self, KeyError> {
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let prefix = "SEALMQ_AWS_KMS_ALIAS_PREFIX";
        if purpose == Purpose::Demo && !is_set(prefix) {
            let reason = "is not set: the demo makes keys behind it, as alias/sealmq-demo";
            return Err(KeyError::invalid_input(prefix, reason));
        }
        let mut config = AwsKmsConfig::from_env()?;
        config.auto_create = purpose.creates() && matches!(config.keys, KmsKeys::PerTenant { .. });
        if purpose == Purpose::Demo {
            config = config.with_deletion_window_days(DELETION_WINDOW_DAYS);
        }
        let mut connection = config.connection.clone();
        if !endpoint_url.is_empty() {
            connection = connection.with_endpoint_url(endpoint_url);
        }
        if connection.endpoint_url.as_deref().is_some_and(stand_in::is_on_this_machine) {
            if let Some(region) = stand_in::region(connection.region.is_none()) {
                connection = connection.with_region(region);
            }
            if let Some((id, secret)) = stand_in::credentials() {
                connection = connection.with_static_credentials(id, secret, None);
            }
            // One process knows a new name at once.
            config = config.with_alias_settling(Duration::ZERO);
        }
        let config = config.with_connection(connection);
        config.validate()?;
        Ok(Self { config })
    }
}

#[async_trait]
impl KeySource for AwsKmsSource {
    fn kind(&self) -> &'static str {
        "aws-kms"
    }

    fn describe(&self) -> String {
        let connection = &self.config.connection;
        match (&connection.endpoint_url, &connection.region) {
            (Some(url), _) => format!("KMS at {url}"),
            (None, Some(region)) => format!("AWS KMS, {region}"),
            (None, None) => "AWS KMS".to_owned(),
        }
    }

    async fn connect(&self) -> Result<Arc<dyn KeyManagementService>, KeyError> {
        Ok(Arc::new(AwsKmsService::connect(&self.config).await?))
    }

    fn how_to_prepare(&self) -> &'static str {
        "attach crates/keys-aws/policies/kms-administer.json"
    }

    fn remains(&self) -> &'static str {
        "its keys, whose deletion is scheduled"
    }
}
