//! The configuration from settings: the environment, or a configuration file.

use sealmq_queue_core::TransportError;
use sealmq_settings::{InvalidSetting, Kind, Setting, Settings};
use sealmq_tls::{TlsConfig, tls_settings};

use super::{NatsConfig, NatsProvisioning};
use crate::credentials::NatsCredentials;
use crate::queue_settings::NatsQueueSettings;

const URL: &str = "SEALMQ_NATS_URL";
const TOKEN: &str = "SEALMQ_NATS_TOKEN";
const USER: &str = "SEALMQ_NATS_USER";
const PASSWORD: &str = "SEALMQ_NATS_PASSWORD";
const NKEY_SEED: &str = "SEALMQ_NATS_NKEY_SEED";
const CREDS_FILE: &str = "SEALMQ_NATS_CREDS_FILE";
const CONNECT_TIMEOUT: &str = "SEALMQ_NATS_CONNECT_TIMEOUT_MS";
const REQUEST_TIMEOUT: &str = "SEALMQ_NATS_REQUEST_TIMEOUT_MS";
const TLS_FIRST: &str = "SEALMQ_NATS_TLS_FIRST";
const DOMAIN: &str = "SEALMQ_NATS_DOMAIN";
const STREAM_PREFIX: &str = "SEALMQ_NATS_STREAM_PREFIX";
const SUBJECT_PREFIX: &str = "SEALMQ_NATS_SUBJECT_PREFIX";
const CONSUMER: &str = "SEALMQ_NATS_CONSUMER";
const QUEUE_GROUP: &str = "SEALMQ_NATS_QUEUE_GROUP";
const CREATE_QUEUES: &str = "SEALMQ_NATS_CREATE_QUEUES";

const CONNECTION: [Setting; 10] = [
    Setting::new(
        URL,
        Kind::List,
        "the servers of one cluster, nats://host:port or tls://host:port; required",
    ),
    Setting::new(TOKEN, Kind::Secret, "a token"),
    Setting::new(USER, Kind::Text, "a user, with the password"),
    Setting::new(PASSWORD, Kind::Secret, "the user's password"),
    Setting::new(NKEY_SEED, Kind::Secret, "the seed of an NKey"),
    Setting::new(CREDS_FILE, Kind::Path, "a .creds file"),
    Setting::new(CONNECT_TIMEOUT, Kind::Milliseconds, "for a connection; 5000"),
    Setting::new(REQUEST_TIMEOUT, Kind::Milliseconds, "for an answer; 5000"),
    Setting::new(TLS_FIRST, Kind::Flag, "encrypts before the server speaks; false"),
    Setting::new(DOMAIN, Kind::Text, "the JetStream domain; none"),
];

const QUEUES: [Setting; 5] = [
    Setting::new(STREAM_PREFIX, Kind::Text, "how names of streams begin; sealmq-"),
    Setting::new(SUBJECT_PREFIX, Kind::Text, "how subjects begin; sealmq"),
    Setting::new(CONSUMER, Kind::Text, "the durable consumer of each stream; sealmq"),
    Setting::new(QUEUE_GROUP, Kind::Text, "the queue group on core NATS; sealmq"),
    Setting::new(CREATE_QUEUES, Kind::Flag, "makes missing queues on first use; false"),
];

const TLS: [Setting; 5] = tls_settings!("SEALMQ_NATS_");

impl NatsConfig {
    /// The settings that [`NatsConfig::from_env`] reads.
    pub const SETTINGS: &'static [&'static [Setting]] = &[&CONNECTION, &QUEUES, &TLS];

    /// Those of them that are about the connection: [`NatsConfig::connection_from_settings`].
    pub const CONNECTION_SETTINGS: &'static [&'static [Setting]] = &[&CONNECTION, &TLS];

    /// The configuration from the environment: [`NatsConfig::SETTINGS`].
    ///
    /// # Errors
    /// `InvalidInput` naming the variable or field, also when two kinds of credentials are given.
    pub fn from_env() -> Result<Self, TransportError> {
        Self::from_settings(&Settings::from_env())
    }

    /// The configuration from [`NatsConfig::SETTINGS`], wherever they are kept.
    ///
    /// # Errors
    /// As [`NatsConfig::from_env`].
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, TransportError> {
        let config = Self::read(settings)?;
        config.validate()?;
        Ok(config)
    }

    /// The configuration from [`NatsConfig::CONNECTION_SETTINGS`], for a connection that carries
    /// no queue: a [`NatsConnection`](crate::NatsConnection).
    ///
    /// # Errors
    /// As [`NatsConfig::from_env`].
    pub fn connection_from_settings(settings: &Settings<'_>) -> Result<Self, TransportError> {
        let config = Self::read_connection(settings)?;
        config.validate()?;
        Ok(config)
    }

    fn read_connection(settings: &Settings<'_>) -> Result<Self, InvalidSetting> {
        let urls = settings.required(URL)?;
        let mut urls = urls.split(',').map(str::trim);
        let mut config = Self::new(urls.next().unwrap_or_default());
        config.urls.extend(urls.map(str::to_owned));
        config.credentials = credentials(settings)?;
        config.tls = TlsConfig::from_settings(settings, &TLS)?;
        config.tls_first = settings.flag(TLS_FIRST)?.unwrap_or_default();
        config.domain = settings.get(DOMAIN);
        for (variable, timeout) in [
            (CONNECT_TIMEOUT, &mut config.connect_timeout),
            (REQUEST_TIMEOUT, &mut config.request_timeout),
        ] {
            *timeout = settings.milliseconds(variable)?.unwrap_or(*timeout);
        }
        Ok(config)
    }

    fn read(settings: &Settings<'_>) -> Result<Self, InvalidSetting> {
        let mut config = Self::read_connection(settings)?;
        for (variable, name) in [
            (STREAM_PREFIX, &mut config.stream_prefix),
            (SUBJECT_PREFIX, &mut config.subject_prefix),
            (CONSUMER, &mut config.consumer),
            (QUEUE_GROUP, &mut config.queue_group),
        ] {
            if let Some(value) = settings.get(variable) {
                *name = value;
            }
        }
        if settings.flag(CREATE_QUEUES)?.unwrap_or_default() {
            config.provisioning = NatsProvisioning::OnDemand(NatsQueueSettings::default());
        }
        Ok(config)
    }
}

fn credentials(settings: &Settings<'_>) -> Result<NatsCredentials, InvalidSetting> {
    let mut given = Vec::new();
    given.extend(settings.get(TOKEN).map(NatsCredentials::token));
    let user = settings.pair(USER, PASSWORD)?;
    given.extend(user.map(|(user, password)| NatsCredentials::user_password(user, password)));
    given.extend(settings.get(NKEY_SEED).map(NatsCredentials::nkey_seed));
    given.extend(settings.get(CREDS_FILE).map(NatsCredentials::file));
    if given.len() > 1 {
        let reason = format!("or {USER}, {NKEY_SEED} or {CREDS_FILE}: only one of them");
        return Err(InvalidSetting::new(TOKEN, reason));
    }
    Ok(given.pop().unwrap_or_else(NatsCredentials::none))
}

#[cfg(test)]
mod tests {
    use sealmq_queue_core::TransportErrorKind;

    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<NatsConfig, TransportError> {
        NatsConfig::from_settings(&Settings::from_lookup(|name| {
            let found = variables.iter().find(|(known, _)| name == format!("SEALMQ_NATS_{known}"));
            found.map(|(_, value)| (*value).to_owned())
        }))
    }

    fn refused_field(variables: &[(&str, &str)]) -> &'static str {
        match from(variables).unwrap_err().kind() {
            TransportErrorKind::InvalidInput { field } => {
                field.strip_prefix("SEALMQ_NATS_").unwrap_or(field)
            }
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
            ("TLS_MIN_VERSION", "1.3"),
            ("CONNECT_TIMEOUT_MS", "1500"),
            ("REQUEST_TIMEOUT_MS", "250"),
            ("DOMAIN", "leaf"),
            ("STREAM_PREFIX", "acme-"),
            ("SUBJECT_PREFIX", "acme.queues"),
            ("CREATE_QUEUES", "true"),
        ])
        .unwrap();
        let shown = format!("{config:?}");
        for part in
            ["tls://b:2", "\"app\"", "/ca.pem", "/key.pem", "V1_3", "1.5s", "250ms", "acme.queues"]
        {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        assert!(matches!(config.provisioning, NatsProvisioning::OnDemand(_)));
        assert!(!shown.contains("hush"));
    }

    #[test]
    fn what_is_missing_or_contradicts_itself_is_named() {
        let url = ("URL", "nats://localhost");
        assert_eq!(refused_field(&[]), "URL");
        assert_eq!(refused_field(&[("URL", "nats://user:hush@host")]), "url");
        assert_eq!(refused_field(&[url, ("USER", "app")]), "PASSWORD");
        assert_eq!(refused_field(&[url, ("TOKEN", "t"), ("CREDS_FILE", "/f")]), "TOKEN");
        assert_eq!(refused_field(&[url, ("CLIENT_KEY", "/key.pem")]), "CLIENT_CERT");
        assert_eq!(refused_field(&[url, ("CONNECT_TIMEOUT_MS", "soon")]), "CONNECT_TIMEOUT_MS");
        assert_eq!(refused_field(&[url, ("CREATE_QUEUES", "yes")]), "CREATE_QUEUES");
    }
}
