//! What a connection to AWS needs to be told: where it is, who calls, whom to trust.

use std::fmt;
use std::time::Duration;

use aws_credential_types::Credentials;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sealmq_crypto_core::KeyError;

#[cfg(feature = "kms")]
mod kms;
#[cfg(feature = "secrets")]
pub(crate) mod secrets;

#[cfg(feature = "kms")]
pub use kms::{AwsKmsConfig, KmsKeys};
#[cfg(feature = "secrets")]
pub use secrets::AwsSecretsConfig;

/// How to reach a service of AWS.
///
/// Credentials and region are found as the AWS tools find them: environment, shared profile, web
/// identity, container, instance.
///
/// Source: <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>
#[non_exhaustive]
#[derive(Clone)]
pub struct AwsConnection {
    /// Where the service is; the region's own endpoint.
    pub endpoint_url: Option<String>,
    /// The region; as the AWS tools find it.
    pub region: Option<String>,
    /// How long a request may take, its answer included; 5 s.
    pub request_timeout: Duration,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) root_certificates_pem: Option<Vec<u8>>,
}

impl AwsConnection {
    /// The default chain's credentials and region, the region's endpoint, the system's authorities.
    pub fn new() -> Self {
        Self {
            endpoint_url: None,
            region: None,
            request_timeout: Duration::from_secs(5),
            credentials: None,
            root_certificates_pem: None,
        }
    }

    /// What `SEALMQ_AWS_REGION`, `SEALMQ_AWS_CA_FILE` and the service's own variable say.
    pub(crate) fn from_variables(
        variable: &impl Fn(&'static str) -> Option<String>,
        endpoint: &'static str,
    ) -> Result<Self, KeyError> {
        let mut connection = Self::new();
        connection.endpoint_url = variable(endpoint);
        connection.region = variable("SEALMQ_AWS_REGION");
        if let Some(path) = variable("SEALMQ_AWS_CA_FILE") {
            let pem = std::fs::read(path).map_err(|error| {
                KeyError::invalid_input("SEALMQ_AWS_CA_FILE", "the file cannot be read")
                    .with_source(error)
            })?;
            connection.root_certificates_pem = Some(pem);
        }
        Ok(connection)
    }

    /// The same connection to the service at this URL.
    #[must_use]
    pub fn with_endpoint_url(mut self, endpoint_url: impl Into<String>) -> Self {
        self.endpoint_url = Some(endpoint_url.into());
        self
    }

    /// The same connection in this region.
    #[must_use]
    pub fn with_region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// The same connection with this much time for a request.
    #[must_use]
    pub fn with_request_timeout(mut self, request_timeout: Duration) -> Self {
        self.request_timeout = request_timeout;
        self
    }

    /// The same connection with these credentials instead of the default chain. They are never
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

    /// The same connection, trusting these authorities (PEM) and no others.
    #[must_use]
    pub fn with_root_certificates_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates_pem = Some(pem.into());
        self
    }

    pub(crate) fn validate(&self) -> Result<(), KeyError> {
        let credentials = self.credentials.as_ref();
        first_refused([
            (
                "endpoint_url",
                "is http:// or https:// and a host, without user or query",
                self.endpoint_url.as_deref().is_none_or(is_endpoint),
            ),
            ("region", "is like eu-central-1", self.region.as_deref().is_none_or(is_region)),
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
        ])
    }
}

impl Default for AwsConnection {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows no credentials.
impl fmt::Debug for AwsConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let credentials = self.credentials.as_ref().map_or("default chain", |_| "static");
        let trusts = self.root_certificates_pem.as_ref().map_or("system", |_| "own authorities");
        f.debug_struct("AwsConnection")
            .field("endpoint_url", &self.endpoint_url)
            .field("region", &self.region)
            .field("request_timeout", &self.request_timeout)
            .field("credentials", &credentials)
            .field("root_certificates", &trusts)
            .finish()
    }
}

/// A field, what it has to be, and whether it is.
type Check = (&'static str, &'static str, bool);

fn first_refused<const N: usize>(checks: [Check; N]) -> Result<(), KeyError> {
    match checks.into_iter().find(|(_, _, valid)| !valid) {
        Some((field, reason, _)) => Err(KeyError::invalid_input(field, reason)),
        None => Ok(()),
    }
}

/// A variable of the environment that is there and not empty.
fn variable(name: &'static str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
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
