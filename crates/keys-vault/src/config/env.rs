//! The configuration from settings: the environment, or a configuration file.

use sealmq_crypto_core::KeyError;
use sealmq_settings::{InvalidSetting, Kind, Setting, Settings};
use sealmq_tls::{TlsConfig, tls_settings};

use super::{VaultConfig, VaultDatabaseConfig, VaultKvConfig, VaultTransitConfig};
use crate::auth::{VaultAuth, VaultSecretId};

const ADDR: &str = "SEALMQ_VAULT_ADDR";
const NAMESPACE: &str = "SEALMQ_VAULT_NAMESPACE";
const TOKEN: &str = "SEALMQ_VAULT_TOKEN";
const TOKEN_FILE: &str = "SEALMQ_VAULT_TOKEN_FILE";
const USERNAME: &str = "SEALMQ_VAULT_USERNAME";
const PASSWORD: &str = "SEALMQ_VAULT_PASSWORD";
const ROLE_ID: &str = "SEALMQ_VAULT_ROLE_ID";
const SECRET_ID: &str = "SEALMQ_VAULT_SECRET_ID";
const SECRET_ID_FILE: &str = "SEALMQ_VAULT_SECRET_ID_FILE";
const WRAPPED_SECRET_ID: &str = "SEALMQ_VAULT_WRAPPED_SECRET_ID";
const KUBERNETES_ROLE: &str = "SEALMQ_VAULT_KUBERNETES_ROLE";
const KUBERNETES_JWT_FILE: &str = "SEALMQ_VAULT_KUBERNETES_JWT_FILE";
const AUTH_MOUNT: &str = "SEALMQ_VAULT_AUTH_MOUNT";
const CONNECT_TIMEOUT: &str = "SEALMQ_VAULT_CONNECT_TIMEOUT_MS";
const REQUEST_TIMEOUT: &str = "SEALMQ_VAULT_REQUEST_TIMEOUT_MS";
const TRANSIT_MOUNT: &str = "SEALMQ_VAULT_TRANSIT_MOUNT";
const KEY_PREFIX: &str = "SEALMQ_VAULT_KEY_PREFIX";
const KEY_ADMINISTRATION: &str = "SEALMQ_VAULT_KEY_ADMINISTRATION";
const KV_MOUNT: &str = "SEALMQ_VAULT_KV_MOUNT";
const KV_PATH: &str = "SEALMQ_VAULT_KV_PATH";
const KV_FIELD: &str = "SEALMQ_VAULT_KV_FIELD";
const KV_ID_PREFIX: &str = "SEALMQ_VAULT_KV_ID_PREFIX";

const DATABASE_ROLE: &str = "SEALMQ_VAULT_DATABASE_ROLE";
const DATABASE_MOUNT: &str = "SEALMQ_VAULT_DATABASE_MOUNT";

const TLS: [Setting; 5] = tls_settings!("SEALMQ_VAULT_");

impl VaultConfig {
    /// The settings that [`VaultConfig::from_env`] reads.
    pub const SETTINGS: &'static [&'static [Setting]] = &[
        &[
            Setting::new(ADDR, Kind::Text, "the address, https://host:port; required"),
            Setting::new(NAMESPACE, Kind::Text, "the namespace; none"),
            Setting::new(TOKEN, Kind::Secret, "a token"),
            Setting::new(TOKEN_FILE, Kind::Path, "a token that an agent keeps fresh"),
            Setting::new(USERNAME, Kind::Text, "a user name, with the password"),
            Setting::new(PASSWORD, Kind::Secret, "the user's password"),
            Setting::new(ROLE_ID, Kind::Secret, "an AppRole, with one of its secret ids"),
            Setting::new(SECRET_ID, Kind::Secret, "the secret id"),
            Setting::new(SECRET_ID_FILE, Kind::Path, "the file of the secret id"),
            Setting::new(
                WRAPPED_SECRET_ID,
                Kind::Secret,
                "a response-wrapping token around the secret id",
            ),
            Setting::new(KUBERNETES_ROLE, Kind::Text, "the role of the pod's service account"),
            Setting::new(
                KUBERNETES_JWT_FILE,
                Kind::Path,
                "the token of the service account; where Kubernetes puts it",
            ),
            Setting::new(AUTH_MOUNT, Kind::Text, "where the method is mounted; its own name"),
            Setting::new(CONNECT_TIMEOUT, Kind::Milliseconds, "for a connection; 5000"),
            Setting::new(REQUEST_TIMEOUT, Kind::Milliseconds, "for a request; 10000"),
        ],
        &TLS,
    ];

    /// The configuration from the environment: [`VaultConfig::SETTINGS`].
    ///
    /// # Errors
    /// `InvalidInput` naming the variable or field, also when none or two kinds of credentials are
    /// given.
    pub fn from_env() -> Result<Self, KeyError> {
        Self::from_settings(&Settings::from_env())
    }

    /// The configuration from [`VaultConfig::SETTINGS`], wherever they are kept.
    ///
    /// # Errors
    /// As [`VaultConfig::from_env`].
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, KeyError> {
        let config = Self::read(settings)?;
        config.validate()?;
        Ok(config)
    }

    fn read(settings: &Settings<'_>) -> Result<Self, InvalidSetting> {
        let mut config = Self::new(settings.required(ADDR)?, auth(settings)?);
        config.namespace = settings.get(NAMESPACE);
        config.tls = TlsConfig::from_settings(settings, &TLS)?;
        config.connect_timeout =
            settings.milliseconds(CONNECT_TIMEOUT)?.unwrap_or(config.connect_timeout);
        config.request_timeout =
            settings.milliseconds(REQUEST_TIMEOUT)?.unwrap_or(config.request_timeout);
        Ok(config)
    }
}

fn auth(settings: &Settings<'_>) -> Result<VaultAuth, InvalidSetting> {
    let mut given = Vec::new();
    given.extend(settings.get(TOKEN).map(VaultAuth::token));
    given.extend(settings.get(TOKEN_FILE).map(VaultAuth::token_file));
    let user = settings.pair(USERNAME, PASSWORD)?;
    given.extend(user.map(|(username, password)| VaultAuth::userpass(username, password)));
    given.extend(approle(settings)?);
    given.extend(settings.get(KUBERNETES_ROLE).map(VaultAuth::kubernetes));
    let kinds = format!("{TOKEN_FILE}, {USERNAME}, {ROLE_ID} or {KUBERNETES_ROLE}");
    let mut auth = match (given.pop(), given.is_empty()) {
        (Some(auth), true) => auth,
        (None, _) => {
            return Err(InvalidSetting::new(TOKEN, format!("is not set, nor is {kinds}")));
        }
        (Some(_), false) => {
            let reason = format!("or {kinds}: more than one of them is set");
            return Err(InvalidSetting::new(TOKEN, reason));
        }
    };
    if let Some(mount) = settings.get(AUTH_MOUNT) {
        auth = auth.with_mount(mount);
    }
    if let Some(path) = settings.get(KUBERNETES_JWT_FILE) {
        auth = auth.with_jwt_file(path);
    }
    Ok(auth)
}

fn approle(settings: &Settings<'_>) -> Result<Option<VaultAuth>, InvalidSetting> {
    let mut secret_ids = Vec::new();
    secret_ids.extend(settings.get(SECRET_ID).map(|id| VaultSecretId::Plain(id.into())));
    secret_ids.extend(settings.get(SECRET_ID_FILE).map(|path| VaultSecretId::File(path.into())));
    secret_ids.extend(settings.get(WRAPPED_SECRET_ID).map(|id| VaultSecretId::Wrapped(id.into())));
    match (settings.get(ROLE_ID), secret_ids.pop(), secret_ids.is_empty()) {
        (Some(role_id), Some(secret_id), true) => Ok(Some(VaultAuth::approle(role_id, secret_id))),
        (None, None, _) => Ok(None),
        _ => {
            let reason =
                format!("goes with one of {SECRET_ID}, {SECRET_ID_FILE} and {WRAPPED_SECRET_ID}");
            Err(InvalidSetting::new(ROLE_ID, reason))
        }
    }
}

impl VaultTransitConfig {
    /// The settings that [`VaultTransitConfig::from_settings`] reads.
    pub const SETTINGS: &'static [&'static [Setting]] = &[&[
        Setting::new(TRANSIT_MOUNT, Kind::Text, "the Transit mount; transit"),
        Setting::new(KEY_PREFIX, Kind::Text, "how names of keys begin; sealmq-"),
        Setting::new(KEY_ADMINISTRATION, Kind::Flag, "may rotate and shred keys; true"),
    ]];

    /// The configuration from the environment: [`VaultTransitConfig::SETTINGS`].
    ///
    /// # Errors
    /// `InvalidInput` naming the variable or field.
    pub fn from_env() -> Result<Self, KeyError> {
        Self::from_settings(&Settings::from_env())
    }

    /// The configuration from [`VaultTransitConfig::SETTINGS`], wherever they are kept.
    ///
    /// # Errors
    /// `InvalidInput` naming the variable or field.
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, KeyError> {
        let mut config = Self::new();
        config.mount = settings.get(TRANSIT_MOUNT).unwrap_or(config.mount);
        config.key_prefix = settings.get(KEY_PREFIX).unwrap_or(config.key_prefix);
        let administers = settings.flag(KEY_ADMINISTRATION)?;
        config.administers_keys = administers.unwrap_or(config.administers_keys);
        config.validate()?;
        Ok(config)
    }
}

impl VaultKvConfig {
    /// The settings that [`VaultKvConfig::from_settings`] reads.
    pub const SETTINGS: &'static [&'static [Setting]] = &[&[
        Setting::new(KV_PATH, Kind::Text, "the path of the secret; required"),
        Setting::new(KV_MOUNT, Kind::Text, "its mount of KV version 2; secret"),
        Setting::new(KV_FIELD, Kind::Text, "the field that holds the key; key"),
        Setting::new(KV_ID_PREFIX, Kind::Text, "how key ids begin; NAME.v of the secret's name"),
    ]];

    /// The configuration from the environment: [`VaultKvConfig::SETTINGS`].
    ///
    /// # Errors
    /// `InvalidInput` naming the variable or field.
    pub fn from_env() -> Result<Self, KeyError> {
        Self::from_settings(&Settings::from_env())
    }

    /// The configuration from [`VaultKvConfig::SETTINGS`], wherever they are kept.
    ///
    /// # Errors
    /// `InvalidInput` naming the variable or field.
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, KeyError> {
        let mut config = Self::new(settings.required(KV_PATH)?);
        config.mount = settings.get(KV_MOUNT).unwrap_or(config.mount);
        config.field = settings.get(KV_FIELD).unwrap_or(config.field);
        config.id_prefix = settings.get(KV_ID_PREFIX).unwrap_or(config.id_prefix);
        config.validate()?;
        Ok(config)
    }
}

impl VaultDatabaseConfig {
    /// The settings that [`VaultDatabaseConfig::from_settings`] reads.
    pub const SETTINGS: &'static [&'static [Setting]] = &[&[
        Setting::new(
            DATABASE_ROLE,
            Kind::Text,
            "the role of the database engine that makes user and password; required",
        ),
        Setting::new(DATABASE_MOUNT, Kind::Text, "the mount of the engine; database"),
    ]];

    /// The configuration from the environment: [`VaultDatabaseConfig::SETTINGS`].
    ///
    /// # Errors
    /// `InvalidInput` naming the variable or field.
    pub fn from_env() -> Result<Self, KeyError> {
        Self::from_settings(&Settings::from_env())
    }

    /// The configuration from [`VaultDatabaseConfig::SETTINGS`], wherever they are kept.
    ///
    /// # Errors
    /// `InvalidInput` naming the variable or field.
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, KeyError> {
        let mut config = Self::new(settings.required(DATABASE_ROLE)?);
        config.mount = settings.get(DATABASE_MOUNT).unwrap_or(config.mount);
        config.validate()?;
        Ok(config)
    }
}
