//! The SDK's clients: credentials, region, TLS, and no retries of their own.

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use sealmq_crypto_core::KeyError;

use crate::config::AwsConnection;

mod limit;

use limit::LimitedClient;

/// A client of KMS, and the endpoint or region it talks to.
#[cfg(feature = "kms")]
pub(crate) async fn kms(
    connection: &AwsConnection,
) -> Result<(aws_sdk_kms::Client, String), KeyError> {
    let shared = shared(connection).await?;
    let mut builder =
        aws_sdk_kms::config::Builder::from(&shared).timeout_config(timeouts(connection));
    // Only this service is there: credentials may have to come from elsewhere.
    if let Some(url) = &connection.endpoint_url {
        builder = builder.endpoint_url(url);
    }
    Ok((aws_sdk_kms::Client::from_conf(builder.build()), place(connection, &shared)))
}

/// A client of Secrets Manager.
#[cfg(feature = "secrets")]
pub(crate) async fn secrets(
    connection: &AwsConnection,
) -> Result<aws_sdk_secretsmanager::Client, KeyError> {
    let shared = shared(connection).await?;
    let mut builder =
        aws_sdk_secretsmanager::config::Builder::from(&shared).timeout_config(timeouts(connection));
    if let Some(url) = &connection.endpoint_url {
        builder = builder.endpoint_url(url);
    }
    Ok(aws_sdk_secretsmanager::Client::from_conf(builder.build()))
}

fn timeouts(connection: &AwsConnection) -> TimeoutConfig {
    TimeoutConfig::builder().operation_attempt_timeout(connection.request_timeout).build()
}

#[cfg(feature = "kms")]
fn place(connection: &AwsConnection, shared: &SdkConfig) -> String {
    let region = shared.region().map(Region::as_ref).unwrap_or_default();
    match &connection.endpoint_url {
        Some(url) => format!("{region} at {url}"),
        None => region.to_owned(),
    }
}

/// Reads the AWS profile files and variables; asks the instance for its region only if nothing
/// else names one.
async fn shared(connection: &AwsConnection) -> Result<SdkConfig, KeyError> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(LimitedClient::new(http_client(connection)?))
        // Whoever calls the key service is the one that retries.
        .retry_config(RetryConfig::disabled())
        // Each attempt has a timeout of its own.
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
        return Err(KeyError::invalid_input("region", reason));
    }
    Ok(shared)
}

fn http_client(connection: &AwsConnection) -> Result<SharedHttpClient, KeyError> {
    let builder = aws_smithy_http_client::Builder::new();
    let mut builder = builder.tls_provider(Provider::Rustls(CryptoMode::AwsLc));
    if let Some(pem) = &connection.root_certificates_pem {
        let trusted = TrustStore::empty().with_pem_certificate(pem.as_slice());
        let context = TlsContext::builder().with_trust_store(trusted).build();
        builder = builder.tls_context(context.map_err(|error| {
            KeyError::invalid_input("root_certificates_pem", "cannot be used").with_source(error)
        })?);
    }
    Ok(builder.build_https())
}
