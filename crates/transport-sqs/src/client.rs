//! The SDK's client: credentials, region, TLS, and no retries of its own.

use aws_config::BehaviorVersion;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{
    Builder, Region, SharedCredentialsProvider, SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use sealmq_queue_core::TransportError;

use crate::config::SqsConfig;

/// Makes the client of a configuration. Reads the AWS profile files and variables; asks the
/// instance for its region only if nothing else names one.
///
/// # Errors
/// `InvalidInput` names the field that is not acceptable, before any I/O; or `region` if nothing
/// names one.
pub(crate) async fn connect(config: &SqsConfig) -> Result<Client, TransportError> {
    config.validate()?;
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client(config)?)
        // The client above the transport is the one that retries.
        .retry_config(RetryConfig::disabled())
        // Each attempt has a timeout; a long poll is silent for as long as it waits.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(region) = &config.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(credentials) = &config.credentials {
        let provider = SharedCredentialsProvider::new(credentials.clone());
        loader = loader.credentials_provider(provider);
    }
    let shared = loader.load().await;
    if shared.region().is_none() {
        let reason = "is named neither here nor by the environment or a profile";
        return Err(TransportError::invalid_input("region", reason));
    }
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(config.request_timeout);
    let mut builder = Builder::from(&shared).timeout_config(timeouts.build());
    // Only SQS is there: credentials may have to come from elsewhere.
    if let Some(url) = &config.endpoint_url {
        builder = builder.endpoint_url(url);
    }
    Ok(Client::from_conf(builder.build()))
}

fn http_client(config: &SqsConfig) -> Result<SharedHttpClient, TransportError> {
    let builder = aws_smithy_http_client::Builder::new();
    let mut builder = builder.tls_provider(Provider::Rustls(CryptoMode::AwsLc));
    if let Some(pem) = &config.root_certificates_pem {
        let trusted = TrustStore::empty().with_pem_certificate(pem.as_slice());
        let context = TlsContext::builder().with_trust_store(trusted).build();
        builder = builder.tls_context(context.map_err(|error| {
            TransportError::invalid_input("root_certificates_pem", "cannot be used")
                .with_source(error)
        })?);
    }
    Ok(builder.build_https())
}
