//! The SDK's clients of the two services.

#[cfg(feature = "kms")]
use aws_config::Region;
use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use sealmq_aws::AwsConnection;
use sealmq_crypto_core::KeyError;

/// An answer may be so long. The longest secret has 64 KiB, and base64 makes a third more of it.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// A client of KMS, and the endpoint or region it talks to.
#[cfg(feature = "kms")]
pub(crate) async fn kms(
    connection: &AwsConnection,
) -> Result<(aws_sdk_kms::Client, String), KeyError> {
    let shared = sealmq_aws::load(connection, MAX_ANSWER_BYTES).await?;
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
    let shared = sealmq_aws::load(connection, MAX_ANSWER_BYTES).await?;
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
