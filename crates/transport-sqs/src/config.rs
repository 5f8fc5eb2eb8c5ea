//! What a connection to SQS needs to be told: strings, variables and their validation.

use std::fmt;
use std::time::Duration;

use aws_sdk_sqs::config::Credentials;
use sealmq_queue_core::TransportError;

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
#[derive(Clone)]
pub struct SqsConfig {
    /// Which queues the transport works on; standard queues.
    pub queue_type: QueueType,
    /// Where the service is; the region's own endpoint.
    pub endpoint_url: Option<String>,
    /// The region; as the AWS tools find it.
    pub region: Option<String>,
    /// The account that owns the queues; the caller's own.
    pub queue_owner: Option<String>,
    /// What is appended to a queue's name for its dead-letter queue, where no redrive policy names
    /// another; `-dlq`. It goes before `.fifo`.
    pub dead_letter_suffix: String,
    /// How long a request may take beyond what it waits for messages; 5 s.
    pub request_timeout: Duration,
    /// How long a single request waits for messages, in whole seconds up to 20; 20 s. A `recv` that
    /// waits for longer asks several times.
    pub poll_wait: Duration,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) root_certificates_pem: Option<Vec<u8>>,
}

impl SqsConfig {
    /// Standard queues, with credentials and region of the AWS default chain: environment, shared
    /// profile, web identity, container, instance.
    ///
    /// Source: <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>
    pub fn new() -> Self {
        Self {
            queue_type: QueueType::default(),
            endpoint_url: None,
            region: None,
            queue_owner: None,
            dead_letter_suffix: "-dlq".to_owned(),
            request_timeout: Duration::from_secs(5),
            poll_wait: MAX_POLL_WAIT,
            credentials: None,
            root_certificates_pem: None,
        }
    }

    /// As [`SqsConfig::new`], with what these variables say: `SEALMQ_SQS_ENDPOINT`,
    /// `SEALMQ_SQS_REGION`, `SEALMQ_SQS_QUEUE_TYPE` (`standard` or `fifo`), `SEALMQ_SQS_CA_FILE`
    /// (PEM), `SEALMQ_SQS_POLL_WAIT_SECONDS` (0 to 20). Credentials come from the AWS default chain,
    /// which has variables of its own.
    ///
    /// # Errors
    /// `InvalidInput` names the variable that is not acceptable.
    pub fn from_env() -> Result<Self, TransportError> {
        Self::from_variables(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn from_variables(
        variable: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, TransportError> {
        let mut config = Self::new();
        config.endpoint_url = variable("SEALMQ_SQS_ENDPOINT");
        config.region = variable("SEALMQ_SQS_REGION");
        config.queue_type = match variable("SEALMQ_SQS_QUEUE_TYPE").as_deref() {
            None | Some("standard") => QueueType::Standard,
            Some("fifo") => QueueType::Fifo,
            Some(_) => {
                let reason = "is standard or fifo";
                return Err(TransportError::invalid_input("SEALMQ_SQS_QUEUE_TYPE", reason));
            }
        };
        if let Some(path) = variable("SEALMQ_SQS_CA_FILE") {
            let pem = std::fs::read(path).map_err(|error| {
                let reason = "the file cannot be read";
                TransportError::invalid_input("SEALMQ_SQS_CA_FILE", reason).with_source(error)
            })?;
            config.root_certificates_pem = Some(pem);
        }
        if let Some(seconds) = variable("SEALMQ_SQS_POLL_WAIT_SECONDS") {
            let seconds = seconds.parse().ok().map(Duration::from_secs);
            config.poll_wait = seconds.filter(|wait| *wait <= MAX_POLL_WAIT).ok_or_else(|| {
                let reason = "is a whole number from 0 to 20";
                TransportError::invalid_input("SEALMQ_SQS_POLL_WAIT_SECONDS", reason)
            })?;
        }
        config.validate()?;
        Ok(config)
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
        self.endpoint_url = Some(endpoint_url.into());
        self
    }

    /// The same configuration for this region.
    #[must_use]
    pub fn with_region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
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
        let credentials =
            Credentials::new(access_key_id, secret_access_key, session_token, None, "sealmq");
        self.credentials = Some(credentials);
        self
    }

    /// The same configuration, trusting these authorities (PEM) and no others.
    #[must_use]
    pub fn with_root_certificates_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates_pem = Some(pem.into());
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
        self.request_timeout = request_timeout;
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

/// Shows no credentials.
impl fmt::Debug for SqsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let credentials = self.credentials.as_ref().map_or("default chain", |_| "static");
        let trusts = self.root_certificates_pem.as_ref().map_or("system", |_| "own authorities");
        f.debug_struct("SqsConfig")
            .field("queue_type", &self.queue_type)
            .field("endpoint_url", &self.endpoint_url)
            .field("region", &self.region)
            .field("queue_owner", &self.queue_owner)
            .field("dead_letter_suffix", &self.dead_letter_suffix)
            .field("request_timeout", &self.request_timeout)
            .field("poll_wait", &self.poll_wait)
            .field("credentials", &credentials)
            .field("root_certificates", &trusts)
            .finish()
    }
}

#[cfg(test)]
mod tests;
