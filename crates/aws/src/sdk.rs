//! The SDK's shared configuration: credentials, region, HTTP client, and no retries of its own.

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use sealmq_settings::InvalidSetting;

use crate::connection::AwsConnection;
use crate::http;

/// Reads the AWS profile files and variables; asks the instance for its region only if nothing
/// else names one. An answer of more than `max_answer_bytes` is an error.
///
/// # Errors
/// [`InvalidSetting`] before any call to the service: a file of TLS that cannot be used, or `region`
/// when nothing names one.
pub async fn load(
    connection: &AwsConnection,
    max_answer_bytes: usize,
) -> Result<SdkConfig, InvalidSetting> {
    let client = http::client(&connection.tls, max_answer_bytes)?;
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(client)
        // Whoever calls the service is the one that retries.
        .retry_config(RetryConfig::disabled())
        // Each attempt has a timeout of its own; a long poll is silent for as long as it waits.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(region) = &connection.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(credentials) = &connection.credentials {
        let provider = SharedCredentialsProvider::new(credentials.clone());
        loader = loader.credentials_provider(provider);
    }
    let shared = loader.load().await;
    if shared.region().is_none() {
        let reason = "is named neither here nor by the environment or a profile";
        return Err(InvalidSetting::new("region", reason));
    }
    Ok(shared)
}
