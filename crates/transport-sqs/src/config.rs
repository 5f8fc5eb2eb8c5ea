//! What a connection to SQS needs to be told: strings, variables and their validation.

use std::time::Duration;

use sealmq_aws::AwsConnection;
use sealmq_tls::TlsConfig;

mod env;
mod validation;

/// The longest that SQS lets a poll wait.
///
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html>
const MAX_POLL_WAIT: Duration = Duration::from_secs(20);

/// Which queues a transport works on: they differ in what they can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum QueueType {
    /// Queues that scale without limit and promise neither order nor deduplication.
    #[default]
    Standard,
    /// Queues whose names end in `.fifo`: ordered groups, deduplication over five minutes.
    Fifo,
}

/// How to reach SQS.
///
/// ```
/// use sealmq_transport_sqs::{QueueType, SqsConfig};
///
/// let config = SqsConfig::new() // credentials and region as the AWS tools find them
///     .with_queue_type(QueueType::Fifo)
///     .with_region("eu-central-1");
/// assert!(config.validate().is_ok());
/// assert!(SqsConfig::new().with_endpoint_url("localhost:4566").validate().is_err());
/// ```
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct SqsConfig {
    /// Which queues the transport works on; standard queues.
    pub queue_type: QueueType,
    /// How to reach the service. The time of a request is beyond what it waits for messages.
    pub connection: AwsConnection,
    /// The account that owns the queues; the caller's own.
    pub queue_owner: Option<String>,
    /// What is appended to a queue's name for its dead-letter queue, where no redrive policy names
    /// another; `-dlq`. It goes before `.fifo`.
    pub dead_letter_suffix: String,
    /// How long a single request waits for messages, in whole seconds up to 20; 20 s. A `recv` that
    /// waits for longer asks several times.
    pub poll_wait: Duration,
}

impl SqsConfig {
    /// Standard queues, with credentials and region of the AWS default chain: environment, shared
    /// profile, web identity, container, instance.
    ///
    /// Source: <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>
    pub fn new() -> Self {
        Self {
            queue_type: QueueType::default(),
            connection: AwsConnection::new(),
            queue_owner: None,
            dead_letter_suffix: "-dlq".to_owned(),
            poll_wait: MAX_POLL_WAIT,
        }
    }

    /// The same configuration for queues of this type.
    #[must_use]
    pub fn with_queue_type(mut self, queue_type: QueueType) -> Self {
        self.queue_type = queue_type;
        self
    }

    /// The same configuration with the service at this URL.
    #[must_use]
    pub fn with_endpoint_url(mut self, endpoint_url: impl Into<String>) -> Self {
        self.connection = self.connection.with_endpoint_url(endpoint_url);
        self
    }

    /// The same configuration for this region.
    #[must_use]
    pub fn with_region(mut self, region: impl Into<String>) -> Self {
        self.connection = self.connection.with_region(region);
        self
    }

    /// The same configuration with these credentials instead of the default chain. They are never
    /// shown and are overwritten when they are dropped.
    #[must_use]
    pub fn with_static_credentials(
        mut self,
        access_key_id: impl Into<String>,
        secret_access_key: impl Into<String>,
        session_token: Option<String>,
    ) -> Self {
        self.connection = self.connection.with_static_credentials(
            access_key_id,
            secret_access_key,
            session_token,
        );
        self
    }

    /// The same configuration with this trust, and this client certificate; those of the operating
    /// system, and none.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsConfig) -> Self {
        self.connection = self.connection.with_tls(tls);
        self
    }

    /// The same configuration for queues of this account (12 digits).
    #[must_use]
    pub fn with_queue_owner(mut self, account_id: impl Into<String>) -> Self {
        self.queue_owner = Some(account_id.into());
        self
    }

    /// The same configuration with dead-letter queues named so.
    #[must_use]
    pub fn with_dead_letter_suffix(mut self, suffix: impl Into<String>) -> Self {
        self.dead_letter_suffix = suffix.into();
        self
    }

    /// The same configuration with this much time for a request, beyond what it waits for messages.
    #[must_use]
    pub fn with_request_timeout(mut self, request_timeout: Duration) -> Self {
        self.connection.request_timeout = request_timeout;
        self
    }

    /// The same configuration with requests that wait this long for messages, in whole seconds up
    /// to 20; what is less than a second is none, and SQS may then overlook messages.
    ///
    /// A request that waits cannot be taken back. Of up to 1 s, closing waits for it, and nothing is
    /// received afterwards. A longer one costs less while queues are empty, but receives for as long
    /// as it lasts after closing: what it brings is given back at once, as a delivery more.
    #[must_use]
    pub fn with_poll_wait(mut self, poll_wait: Duration) -> Self {
        self.poll_wait = poll_wait;
        self
    }
}

impl Default for SqsConfig {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
