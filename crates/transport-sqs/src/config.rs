//! What a connection to SQS needs to be told: strings, variables and their validation.

use std::fmt;
use std::time::Duration;

use aws_sdk_sqs::config::Credentials;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sealmq_queue_core::TransportError;

use crate::names;

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
            credentials: None,
            root_certificates_pem: None,
        }
    }

    /// As [`SqsConfig::new`], with what these variables say: `SEALMQ_SQS_ENDPOINT`,
    /// `SEALMQ_SQS_REGION`, `SEALMQ_SQS_QUEUE_TYPE` (`standard` or `fifo`), `SEALMQ_SQS_CA_FILE`
    /// (PEM). Credentials come from the AWS default chain, which has variables of its own.
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

    /// Checks everything that can be checked without I/O.
    ///
    /// # Errors
    /// `InvalidInput` names the field that is not acceptable.
    pub fn validate(&self) -> Result<(), TransportError> {
        let credentials = self.credentials.as_ref();
        let checks = [
            (
                "endpoint_url",
                "is http:// or https:// and a host, without user or query",
                self.endpoint_url.as_deref().is_none_or(is_endpoint),
            ),
            ("region", "is like eu-central-1", self.region.as_deref().is_none_or(is_region)),
            ("queue_owner", "is 12 digits", self.queue_owner.as_deref().is_none_or(is_account)),
            (
                "dead_letter_suffix",
                "is 1 to 40 of A-Z a-z 0-9 _ -",
                is_suffix(&self.dead_letter_suffix),
            ),
            ("request_timeout", "must not be zero", !self.request_timeout.is_zero()),
            (
                "access_key_id",
                "is empty",
                credentials.is_none_or(|keys| !keys.access_key_id().is_empty()),
            ),
            (
                "secret_access_key",
                "is empty",
                credentials.is_none_or(|keys| !keys.secret_access_key().is_empty()),
            ),
            (
                "root_certificates_pem",
                "is no list of PEM certificates",
                self.root_certificates_pem.as_deref().is_none_or(are_certificates),
            ),
        ];
        match checks.into_iter().find(|(_, _, valid)| !valid) {
            Some((field, reason, _)) => Err(TransportError::invalid_input(field, reason)),
            None => Ok(()),
        }
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
            .field("credentials", &credentials)
            .field("root_certificates", &trusts)
            .finish()
    }
}

fn is_endpoint(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.map(|rest| rest.split('/').next().unwrap_or_default());
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '@' | '?' | '#' | '"' | '\\');
    host.is_some_and(|host| !host.is_empty() && !host.starts_with(':')) && url.chars().all(plain)
}

fn is_region(region: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&region.len()) && region.bytes().all(part)
}

fn is_account(account: &str) -> bool {
    account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_suffix(suffix: &str) -> bool {
    (1..=40).contains(&suffix.len()) && suffix.bytes().all(names::is_name_byte)
}

/// The SDK's HTTP client panics on what is none.
fn are_certificates(pem: &[u8]) -> bool {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let parsed = certificates.map(|certificates| {
        let count = certificates.len();
        RootCertStore::empty().add_parsable_certificates(certificates) == (count, 0) && count > 0
    });
    parsed.unwrap_or(false)
}

#[cfg(test)]
mod tests;
