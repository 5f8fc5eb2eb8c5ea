//! What a connection to AWS needs to be told: where it is, who calls, whom to trust.

use std::fmt;
use std::time::Duration;

use aws_credential_types::Credentials;
use sealmq_settings::{InvalidSetting, Setting, Settings};
use sealmq_tls::TlsConfig;

/// How to reach a service of AWS.
///
/// Credentials and region are found as the AWS tools find them: environment, shared profile, web
/// identity, container, instance. Credentials that expire are fetched anew 5 s to 10 s before, and
/// a token's file is read anew then. Where nothing gives credentials, a call is denied; where what
/// gives them fails or refuses, it is unavailable. A profile cannot run a program or sign in to a
/// portal (`credential_process`, `sso_session`): a service has no use for either.
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
    pub(crate) tls: TlsConfig,
}

impl AwsConnection {
    /// The default chain's credentials and region, the region's endpoint, the system's authorities.
    pub fn new() -> Self {
        Self {
            endpoint_url: None,
            region: None,
            request_timeout: Duration::from_secs(5),
            credentials: None,
            tls: TlsConfig::new(),
        }
    }

    /// What these settings say: endpoint, region, time of a request, and TLS.
    ///
    /// # Errors
    /// [`InvalidSetting`] names the variable.
    pub fn from_settings(
        settings: &Settings<'_>,
        [endpoint, region, timeout]: [&'static str; 3],
        tls: &'static [Setting; 5],
    ) -> Result<Self, InvalidSetting> {
        let mut connection = Self::new();
        connection.endpoint_url = settings.get(endpoint);
        connection.region = settings.get(region);
        connection.request_timeout =
            settings.milliseconds(timeout)?.unwrap_or(connection.request_timeout);
        connection.tls = TlsConfig::from_settings(settings, tls)?;
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

    /// The same connection with this trust, and this client certificate; those of the operating
    /// system, and none. The endpoints of credentials are reached by it as well.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsConfig) -> Self {
        self.tls = tls;
        self
    }

    /// Checks everything that can be checked without I/O.
    ///
    /// # Errors
    /// The field that is not acceptable, and what it has to be.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        let credentials = self.credentials.as_ref();
        let checks = [
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
        ];
        if let Some((field, reason, _)) = checks.into_iter().find(|(_, _, valid)| !valid) {
            return Err(InvalidSetting::new(field, reason));
        }
        self.tls.validate()
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
        f.debug_struct("AwsConnection")
            .field("endpoint_url", &self.endpoint_url)
            .field("region", &self.region)
            .field("request_timeout", &self.request_timeout)
            .field("credentials", &credentials)
            .field("tls", &self.tls)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_is_validated_under_its_name() {
        let new = AwsConnection::new;
        let nameless = TlsConfig::new().with_server_name("no name");
        let refused = [
            ("endpoint_url", new().with_endpoint_url("localhost:4566")),
            ("endpoint_url", new().with_endpoint_url("ftp://host")),
            ("endpoint_url", new().with_endpoint_url("https://")),
            ("endpoint_url", new().with_endpoint_url("https://:443")),
            ("endpoint_url", new().with_endpoint_url("https://user:pass@host")),
            ("endpoint_url", new().with_endpoint_url("https://host/?x=1")),
            ("endpoint_url", new().with_endpoint_url("https://ho st")),
            ("region", new().with_region("")),
            ("region", new().with_region("Frankfurt")),
            ("request_timeout", new().with_request_timeout(Duration::ZERO)),
            ("access_key_id", new().with_static_credentials("", "secret", None)),
            ("secret_access_key", new().with_static_credentials("AKID", "", None)),
            ("tls_server_name", new().with_tls(nameless)),
        ];
        for (field, connection) in refused {
            let error = connection.validate().unwrap_err();
            assert_eq!(error.variable, field, "{connection:?}");
        }
        for fine in [
            new(),
            new().with_endpoint_url("http://127.0.0.1:4566"),
            new().with_endpoint_url("https://vpce-1.sqs.eu-central-1.vpce.amazonaws.com/"),
            new().with_region("us-gov-west-1"),
            new().with_static_credentials("AKID", "secret", Some("token".into())),
        ] {
            assert_eq!(fine.validate(), Ok(()), "{fine:?}");
        }
    }

    #[test]
    fn credentials_are_never_shown() {
        let token = Some("t0ken".into());
        let connection = AwsConnection::new().with_static_credentials("AKID", "s3cret", token);
        let text = format!("{connection:?} {connection:#?}");
        assert!(!text.contains("s3cret") && !text.contains("t0ken"), "{text}");
        assert!(text.contains("static"));
    }
}
