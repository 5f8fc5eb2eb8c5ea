//! The SDK's client.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Builder;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use sealmq_queue_core::TransportError;

use crate::config::SqsConfig;

/// Ten messages of the longest kind in base64, with room for what surrounds them.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Makes the client of a configuration.
///
/// # Errors
/// `InvalidInput` names the field that is not acceptable, before any I/O; or `region` if nothing
/// names one.
pub(crate) async fn connect(config: &SqsConfig) -> Result<Client, TransportError> {
    config.validate()?;
    let connection = &config.connection;
    let shared = sealmq_aws::load(connection, MAX_ANSWER_BYTES).await?;
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(connection.request_timeout);
    let mut builder = Builder::from(&shared).timeout_config(timeouts.build());
    // Only SQS is there: credentials may have to come from elsewhere.
    if let Some(url) = &connection.endpoint_url {
        builder = builder.endpoint_url(url);
    }
    Ok(Client::from_conf(builder.build()))
}
