//! The configuration from settings: the environment, or a configuration file.

use sealmq_crypto_core::KeyError;
use sealmq_settings::{InvalidSetting, Kind, Setting, Settings};
use sealmq_tls::{TlsConfig, tls_settings};

use super::PostgresConfig;
use crate::service::PostgresKeyServiceConfig;

const URL: &str = "SEALMQ_POSTGRES_URL";
const PASSWORD_FILE: &str = "SEALMQ_POSTGRES_PASSWORD_FILE";
const ENCRYPTION: &str = "SEALMQ_POSTGRES_TLS";
const SCHEMA: &str = "SEALMQ_POSTGRES_SCHEMA";
const MAX_CONNECTIONS: &str = "SEALMQ_POSTGRES_MAX_CONNECTIONS";
const CONNECT_TIMEOUT: &str = "SEALMQ_POSTGRES_CONNECT_TIMEOUT_MS";
const STATEMENT_TIMEOUT: &str = "SEALMQ_POSTGRES_STATEMENT_TIMEOUT_MS";
const REQUEST_TIMEOUT: &str = "SEALMQ_POSTGRES_REQUEST_TIMEOUT_MS";

const AUTO_CREATE: &str = "SEALMQ_POSTGRES_AUTO_CREATE";
const GRACE_PERIOD: &str = "SEALMQ_POSTGRES_GRACE_PERIOD_S";

const TLS: [Setting; 5] = tls_settings!("SEALMQ_POSTGRES_");

impl PostgresConfig {
    /// The settings that [`PostgresConfig::from_env`] reads.
    pub const SETTINGS: &'static [&'static [Setting]] = &[
        &[
            Setting::new(
                URL,
                Kind::Secret,
                "the server, postgres://user@host:port/database; required",
            ),
            Setting::new(PASSWORD_FILE, Kind::Path, "the file of the password; that of the URL"),
            Setting::new(
                ENCRYPTION,
                Kind::Choice(&["require", "disable"]),
                "whether the connection is encrypted; require",
            ),
            Setting::new(SCHEMA, Kind::Text, "the schema of the tables; sealmq"),
            Setting::new(MAX_CONNECTIONS, Kind::Number, "connections at a time; 8"),
            Setting::new(CONNECT_TIMEOUT, Kind::Milliseconds, "for a connection; 5000"),
            Setting::new(STATEMENT_TIMEOUT, Kind::Milliseconds, "for a statement; 5000"),
            Setting::new(REQUEST_TIMEOUT, Kind::Milliseconds, "for a whole call; 10000"),
        ],
        &TLS,
    ];

    /// The configuration from the environment: [`PostgresConfig::SETTINGS`].
    ///
    /// # Errors
    /// `InvalidInput` names the variable or field.
    pub fn from_env() -> Result<Self, KeyError> {
        Self::from_settings(&Settings::from_env())
    }

    /// The configuration from [`PostgresConfig::SETTINGS`], wherever they are kept.
    ///
    /// # Errors
    /// `InvalidInput` names the variable or field.
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, KeyError> {
        let config = Self::read(settings)?;
        config.validate()?;
        Ok(config)
    }

    fn read(settings: &Settings<'_>) -> Result<Self, InvalidSetting> {
        let mut config = Self::new(settings.required(URL)?);
        config.password_file = settings.get(PASSWORD_FILE).map(Into::into);
        let off = settings.choice(ENCRYPTION, &[("require", false), ("disable", true)])?;
        config.tls_off = off.copied().unwrap_or_default();
        config.tls = TlsConfig::from_settings(settings, &TLS)?;
        config.schema = settings.get(SCHEMA).unwrap_or(config.schema);
        config.max_connections =
            settings.number(MAX_CONNECTIONS)?.unwrap_or(config.max_connections);
        for (variable, timeout) in [
            (CONNECT_TIMEOUT, &mut config.connect_timeout),
            (STATEMENT_TIMEOUT, &mut config.statement_timeout),
            (REQUEST_TIMEOUT, &mut config.request_timeout),
        ] {
            *timeout = settings.milliseconds(variable)?.unwrap_or(*timeout);
        }
        Ok(config)
    }
}

impl PostgresKeyServiceConfig {
    /// The settings that [`PostgresKeyServiceConfig::from_env`] reads.
    pub const SETTINGS: &'static [&'static [Setting]] = &[&[
        Setting::new(AUTO_CREATE, Kind::Flag, "may create first KEKs; true"),
        Setting::new(
            GRACE_PERIOD,
            Kind::Seconds,
            "between scheduling the deletion of a KEK and destroying it; 2592000",
        ),
    ]];

    /// The configuration from the environment: [`PostgresKeyServiceConfig::SETTINGS`].
    ///
    /// # Errors
    /// `InvalidInput` names the variable or field.
    pub fn from_env() -> Result<Self, KeyError> {
        Self::from_settings(&Settings::from_env())
    }

    /// The configuration from [`PostgresKeyServiceConfig::SETTINGS`], wherever they are kept.
    ///
    /// # Errors
    /// `InvalidInput` names the variable or field.
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, KeyError> {
        let mut config = Self::new();
        config.auto_create = settings.flag(AUTO_CREATE)?.unwrap_or(config.auto_create);
        config.grace_period = settings.seconds(GRACE_PERIOD)?.unwrap_or(config.grace_period);
        config.validate()?;
        Ok(config)
    }
}
