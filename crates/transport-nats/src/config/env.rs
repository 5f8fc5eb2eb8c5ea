//! The configuration from environment variables.

use std::time::Duration;

use sealmq_queue_core::TransportError;

use super::{NatsConfig, NatsProvisioning};
use crate::credentials::NatsCredentials;
use crate::queue_settings::NatsQueueSettings;

impl NatsConfig {
    /// The configuration from the environment.
    ///
    /// | variable | sets |
    /// | --- | --- |
    /// | `SEALMQ_NATS_URL` | the servers, separated by commas; required |
    /// | `SEALMQ_NATS_TOKEN` | the token |
    /// | `SEALMQ_NATS_USER`, `SEALMQ_NATS_PASSWORD` | user and password |
    /// | `SEALMQ_NATS_NKEY_SEED` | the seed of an `NKey` |
    /// | `SEALMQ_NATS_CREDS_FILE` | path of a `.creds` file |
    /// | `SEALMQ_NATS_ROOT_CA` | path of the trusted authorities, PEM |
    /// | `SEALMQ_NATS_CLIENT_CERT`, `SEALMQ_NATS_CLIENT_KEY` | paths of the client certificate |
    /// | `SEALMQ_NATS_CONNECT_TIMEOUT_MS`, `SEALMQ_NATS_REQUEST_TIMEOUT_MS` | the bounds |
    /// | `SEALMQ_NATS_DOMAIN` | the `JetStream` domain |
    /// | `SEALMQ_NATS_STREAM_PREFIX`, `SEALMQ_NATS_SUBJECT_PREFIX` | the prefixes |
    /// | `SEALMQ_NATS_CREATE_QUEUES` | `true`: make missing queues on demand, with the default settings |
    ///
    /// # Errors
    /// `InvalidInput` naming the field, also when two kinds of credentials are given.
    pub fn from_env() -> Result<Self, TransportError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    pub(crate) fn from_lookup(
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, TransportError> {
        let get =
            |name: &str| lookup(&format!("SEALMQ_NATS_{name}")).filter(|value| !value.is_empty());
        let urls = get("URL").ok_or_else(|| invalid("url", "SEALMQ_NATS_URL is not set"))?;
        let mut urls = urls.split(',').map(str::trim);
        let mut config = Self::new(urls.next().unwrap_or_default());
        for url in urls {
            config = config.with_url(url);
        }
        config.credentials = credentials(&get)?;
        if let Some(path) = get("ROOT_CA") {
            config = config.with_root_ca(path);
        }
        config = match (get("CLIENT_CERT"), get("CLIENT_KEY")) {
            (Some(chain), Some(key)) => config.with_client_certificate(chain, key),
            (None, None) => config,
            _ => {
                let reason = "SEALMQ_NATS_CLIENT_CERT and SEALMQ_NATS_CLIENT_KEY go together";
                return Err(invalid("client_certificate", reason));
            }
        };
        if let Some(timeout) = get("CONNECT_TIMEOUT_MS") {
            config = config.with_connect_timeout(milliseconds("connect_timeout", &timeout)?);
        }
        if let Some(timeout) = get("REQUEST_TIMEOUT_MS") {
            config = config.with_request_timeout(milliseconds("request_timeout", &timeout)?);
        }
        config.domain = get("DOMAIN");
        if let Some(prefix) = get("STREAM_PREFIX") {
            config = config.with_stream_prefix(prefix);
        }
        if let Some(prefix) = get("SUBJECT_PREFIX") {
            config = config.with_subject_prefix(prefix);
        }
        config.provisioning = match get("CREATE_QUEUES").as_deref() {
            Some("true") => NatsProvisioning::OnDemand(NatsQueueSettings::default()),
            None | Some("false") => NatsProvisioning::Existing,
            Some(_) => {
                let reason = "SEALMQ_NATS_CREATE_QUEUES is neither true nor false";
                return Err(invalid("provisioning", reason));
            }
        };
        config.validate()?;
        Ok(config)
    }
}

fn invalid(field: &'static str, reason: &str) -> TransportError {
    TransportError::invalid_input(field, reason)
}

fn credentials(get: &impl Fn(&str) -> Option<String>) -> Result<NatsCredentials, TransportError> {
    let mut given = Vec::new();
    given.extend(get("TOKEN").map(NatsCredentials::token));
    match (get("USER"), get("PASSWORD")) {
        (Some(user), Some(password)) => given.push(NatsCredentials::user_password(user, password)),
        (None, None) => {}
        _ => {
            let reason = "SEALMQ_NATS_USER and SEALMQ_NATS_PASSWORD go together";
            return Err(invalid("credentials", reason));
        }
    }
    given.extend(get("NKEY_SEED").map(NatsCredentials::nkey_seed));
    given.extend(get("CREDS_FILE").map(NatsCredentials::file));
    if given.len() > 1 {
        return Err(invalid("credentials", "more than one kind is set"));
    }
    Ok(given.pop().unwrap_or_else(NatsCredentials::none))
}

fn milliseconds(field: &'static str, text: &str) -> Result<Duration, TransportError> {
    let number = text.parse().map_err(|_| invalid(field, "is no number of milliseconds"))?;
    Ok(Duration::from_millis(number))
}

#[cfg(test)]
mod tests {
    use sealmq_queue_core::TransportErrorKind;

    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<NatsConfig, TransportError> {
        NatsConfig::from_lookup(|name| {
            let found = variables.iter().find(|(known, _)| name == format!("SEALMQ_NATS_{known}"));
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn refused_field(variables: &[(&str, &str)]) -> &'static str {
        match from(variables).unwrap_err().kind() {
            TransportErrorKind::InvalidInput { field } => field,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn everything_can_come_from_the_environment() {
        let config = from(&[
            ("URL", "tls://a:1, tls://b:2"),
            ("USER", "app"),
            ("PASSWORD", "hush"),
            ("ROOT_CA", "/ca.pem"),
            ("CLIENT_CERT", "/cert.pem"),
            ("CLIENT_KEY", "/key.pem"),
            ("CONNECT_TIMEOUT_MS", "1500"),
            ("REQUEST_TIMEOUT_MS", "250"),
            ("DOMAIN", "leaf"),
            ("STREAM_PREFIX", "acme-"),
            ("SUBJECT_PREFIX", "acme.queues"),
            ("CREATE_QUEUES", "true"),
        ])
        .unwrap();
        let shown = format!("{config:?}");
        for part in ["tls://b:2", "\"app\"", "/ca.pem", "/key.pem", "1.5s", "250ms", "acme.queues"]
        {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        assert!(matches!(config.provisioning, NatsProvisioning::OnDemand(_)));
        assert!(!shown.contains("hush"));
    }

    #[test]
    fn what_is_missing_or_contradicts_itself_is_named() {
        let url = ("URL", "nats://localhost");
        assert_eq!(refused_field(&[]), "url");
        assert_eq!(refused_field(&[url, ("USER", "app")]), "credentials");
        assert_eq!(refused_field(&[url, ("TOKEN", "t"), ("CREDS_FILE", "/f")]), "credentials");
        assert_eq!(refused_field(&[url, ("CLIENT_KEY", "/key.pem")]), "client_certificate");
        assert_eq!(refused_field(&[url, ("CONNECT_TIMEOUT_MS", "soon")]), "connect_timeout");
        assert_eq!(refused_field(&[url, ("CREATE_QUEUES", "yes")]), "provisioning");
    }
}
