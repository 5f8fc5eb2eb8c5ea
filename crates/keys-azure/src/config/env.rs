//! The configurations from settings: the environment, or a configuration file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use sealmq_crypto_core::{KeyError, TenantId};
use sealmq_settings::{InvalidSetting, Kind, Setting, Settings};
use sealmq_tls::{TlsConfig, tls_settings};
use zeroize::Zeroizing;

use super::{
    AzureConnection, AzureIdentity, AzureKeyVaultConfig, AzureSecretsConfig, IdentityKind, KekKind,
};
use crate::provider::AzureSecretsProvider;

const VAULT_URL: &str = "SEALMQ_AZURE_VAULT_URL";
const IDENTITY: &str = "SEALMQ_AZURE_IDENTITY";
const TENANT_ID: &str = "SEALMQ_AZURE_TENANT_ID";
const CLIENT_ID: &str = "SEALMQ_AZURE_CLIENT_ID";
const CLIENT_SECRET_FILE: &str = "SEALMQ_AZURE_CLIENT_SECRET_FILE";
const CLIENT_SECRET: &str = "SEALMQ_AZURE_CLIENT_SECRET";
const AUDIENCE: &str = "SEALMQ_AZURE_AUDIENCE";
const AUTHORITY_HOST: &str = "SEALMQ_AZURE_AUTHORITY_HOST";
const REQUEST_TIMEOUT: &str = "SEALMQ_AZURE_REQUEST_TIMEOUT_MS";
const KEY_PREFIX: &str = "SEALMQ_AZURE_KEY_PREFIX";
const TENANT_KEYS: &str = "SEALMQ_AZURE_TENANT_KEYS";
const KEK_KIND: &str = "SEALMQ_AZURE_KEK_KIND";
const WRAP_SECRET: &str = "SEALMQ_AZURE_WRAP_SECRET";
const AUTO_CREATE: &str = "SEALMQ_AZURE_AUTO_CREATE";
const PURGE: &str = "SEALMQ_AZURE_PURGE";
const SECRET: &str = "SEALMQ_AZURE_SECRET";
const REFRESH_INTERVAL: &str = "SEALMQ_AZURE_SECRET_REFRESH_INTERVAL_S";

const TLS: [Setting; 5] = tls_settings!("SEALMQ_AZURE_");

/// The words for keys, and what they are.
const KEK_KINDS: &[(&str, KekKind)] = &[
    ("rsa-2048", KekKind::Rsa { bits: 2048, hsm: false }),
    ("rsa-3072", KekKind::Rsa { bits: 3072, hsm: false }),
    ("rsa-4096", KekKind::Rsa { bits: 4096, hsm: false }),
    ("rsa-2048-hsm", KekKind::Rsa { bits: 2048, hsm: true }),
    ("rsa-3072-hsm", KekKind::Rsa { bits: 3072, hsm: true }),
    ("rsa-4096-hsm", KekKind::Rsa { bits: 4096, hsm: true }),
    ("symmetric-hsm", KekKind::SymmetricHsm),
];

const CONNECTION: &[Setting] = &[
    Setting::new(VAULT_URL, Kind::Text, "the vault, https://NAME.vault.azure.net; required"),
    Setting::new(
        IDENTITY,
        Kind::Choice(&["managed", "workload", "client-secret"]),
        "who calls; managed",
    ),
    Setting::new(TENANT_ID, Kind::Text, "the directory; for workload else AZURE_TENANT_ID"),
    Setting::new(
        CLIENT_ID,
        Kind::Text,
        "the application or user-assigned identity; for workload else AZURE_CLIENT_ID",
    ),
    Setting::new(CLIENT_SECRET_FILE, Kind::Path, "the file of the application's secret"),
    Setting::new(CLIENT_SECRET, Kind::Secret, "the application's secret, without a file"),
    Setting::new(AUDIENCE, Kind::Text, "whom tokens are for; as the vault's host says"),
    Setting::new(
        AUTHORITY_HOST,
        Kind::Text,
        "where applications get tokens; AZURE_AUTHORITY_HOST, else the public cloud",
    ),
    Setting::new(REQUEST_TIMEOUT, Kind::Milliseconds, "for a call, its token included; 10000"),
];

impl AzureConnection {
    /// The settings that [`AzureConnection::from_env`] reads.
    pub const SETTINGS: &'static [&'static [Setting]] = &[CONNECTION, &TLS];

    /// The connection from the environment: [`AzureConnection::SETTINGS`].
    ///
    /// # Errors
    /// `InvalidInput` names the variable or field that is not acceptable.
    pub fn from_env() -> Result<Self, KeyError> {
        Self::from_settings(&Settings::from_env())
    }

    /// The connection from [`AzureConnection::SETTINGS`], wherever they are kept.
    ///
    /// # Errors
    /// As [`AzureConnection::from_env`].
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, KeyError> {
        let vault_url = settings.required(VAULT_URL)?;
        let mut connection = Self::new(vault_url, identity(settings)?);
        connection.audience = settings.get(AUDIENCE);
        connection.authority_host = settings.get(AUTHORITY_HOST);
        connection.tls = TlsConfig::from_settings(settings, &TLS)?;
        let timeout = settings.milliseconds(REQUEST_TIMEOUT)?;
        connection.request_timeout = timeout.unwrap_or(connection.request_timeout);
        connection.validate()?;
        Ok(connection)
    }
}

fn identity(settings: &Settings<'_>) -> Result<AzureIdentity, KeyError> {
    let (tenant_id, client_id) = (settings.get(TENANT_ID), settings.get(CLIENT_ID));
    let kinds = [("managed", 0), ("workload", 1), ("client-secret", 2)];
    match settings.choice(IDENTITY, &kinds)? {
        None | Some(0) => Ok(AzureIdentity::managed(client_id)),
        Some(1) => {
            Ok(AzureIdentity(IdentityKind::Workload { tenant_id, client_id, token_file: None }))
        }
        Some(_) => Ok(AzureIdentity(IdentityKind::ClientSecret {
            tenant_id: settings.required(TENANT_ID)?,
            client_id: settings.required(CLIENT_ID)?,
            secret: client_secret(settings)?,
        })),
    }
}

fn client_secret(settings: &Settings<'_>) -> Result<Zeroizing<String>, KeyError> {
    match (settings.get(CLIENT_SECRET_FILE), settings.get(CLIENT_SECRET).map(Zeroizing::new)) {
        (Some(path), None) => {
            let text = std::fs::read_to_string(Path::new(&path)).map(Zeroizing::new);
            let text = text.map_err(|error| {
                KeyError::invalid_input(CLIENT_SECRET_FILE, "the file cannot be read")
                    .with_source(error)
            })?;
            Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
        }
        (None, Some(secret)) => Ok(secret),
        _ => {
            let reason = format!("or {CLIENT_SECRET}: one of the two");
            Err(KeyError::invalid_input(CLIENT_SECRET_FILE, reason))
        }
    }
}

impl AzureKeyVaultConfig {
    /// The settings that [`AzureKeyVaultConfig::from_env`] reads.
    pub const SETTINGS: &'static [&'static [Setting]] = &[
        CONNECTION,
        &TLS,
        &[
            Setting::new(KEY_PREFIX, Kind::Text, "a key for each tenant, named so at its start"),
            Setting::new(
                TENANT_KEYS,
                Kind::List,
                "or the keys of tenants: tenant=key, separated by commas",
            ),
            Setting::new(
                KEK_KIND,
                Kind::Choice(&[
                    "rsa-2048",
                    "rsa-3072",
                    "rsa-4096",
                    "rsa-2048-hsm",
                    "rsa-3072-hsm",
                    "rsa-4096-hsm",
                    "symmetric-hsm",
                ]),
                "what keys are; rsa-3072",
            ),
            Setting::new(
                WRAP_SECRET,
                Kind::Text,
                "the name of the secret of this vault that authenticates wraps by RSA keys",
            ),
            Setting::new(AUTO_CREATE, Kind::Flag, "may create first keys; false"),
            Setting::new(PURGE, Kind::Flag, "purges what is shredded; true"),
        ],
    ];

    /// The configuration from the environment: [`AzureKeyVaultConfig::SETTINGS`]. The danger of
    /// unauthenticated wraps has no setting.
    ///
    /// # Errors
    /// `InvalidInput` names the variable or field that is not acceptable.
    pub fn from_env() -> Result<Self, KeyError> {
        Self::from_settings(&Settings::from_env())
    }

    /// The configuration from [`AzureKeyVaultConfig::SETTINGS`], wherever they are kept.
    ///
    /// # Errors
    /// As [`AzureKeyVaultConfig::from_env`].
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, KeyError> {
        let connection = AzureConnection::from_settings(settings)?;
        let mut config = match (settings.get(TENANT_KEYS), settings.get(KEY_PREFIX)) {
            (Some(keys), None) => Self::mapped(connection, tenant_keys(&keys)?),
            (None, Some(prefix)) => Self::per_tenant(connection, prefix),
            _ => {
                let reason = format!("or {TENANT_KEYS}: one of the two");
                return Err(KeyError::invalid_input(KEY_PREFIX, reason));
            }
        };
        if let Some(kind) = settings.choice(KEK_KIND, KEK_KINDS)? {
            config.kind = *kind;
        }
        config.auto_create = settings.flag(AUTO_CREATE)?.unwrap_or_default();
        config.purge = settings.flag(PURGE)?.unwrap_or(true);
        if let Some(secret) = settings.get(WRAP_SECRET) {
            let secret = AzureSecretsConfig::new(config.connection.clone(), secret);
            config = config.with_wrap_authentication(Arc::new(AzureSecretsProvider::new(secret)?));
        }
        config.validate()?;
        Ok(config)
    }
}

impl AzureSecretsConfig {
    /// The settings that [`AzureSecretsConfig::from_env`] reads.
    pub const SETTINGS: &'static [&'static [Setting]] = &[
        CONNECTION,
        &TLS,
        &[
            Setting::new(SECRET, Kind::Text, "the name of the secret; required"),
            Setting::new(
                REFRESH_INTERVAL,
                Kind::Seconds,
                "how long what is known of the versions is good; 60",
            ),
        ],
    ];

    /// The configuration from the environment: [`AzureSecretsConfig::SETTINGS`].
    ///
    /// # Errors
    /// `InvalidInput` names the variable or field that is not acceptable.
    pub fn from_env() -> Result<Self, KeyError> {
        Self::from_settings(&Settings::from_env())
    }

    /// The configuration from [`AzureSecretsConfig::SETTINGS`], wherever they are kept.
    ///
    /// # Errors
    /// As [`AzureSecretsConfig::from_env`].
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, KeyError> {
        let connection = AzureConnection::from_settings(settings)?;
        let mut config = Self::new(connection, settings.required(SECRET)?);
        config.refresh_interval =
            settings.seconds(REFRESH_INTERVAL)?.unwrap_or(config.refresh_interval);
        config.validate()?;
        Ok(config)
    }
}

fn tenant_keys(text: &str) -> Result<BTreeMap<TenantId, String>, InvalidSetting> {
    let refused = || InvalidSetting::new(TENANT_KEYS, "is tenant=key,tenant=key");
    let mut keys = BTreeMap::new();
    for pair in text.split(',') {
        let (tenant, key) = pair.trim().split_once('=').ok_or_else(refused)?;
        let tenant = TenantId::new(tenant.trim()).map_err(|_| refused())?;
        if keys.insert(tenant, key.trim().to_owned()).is_some() {
            return Err(refused());
        }
    }
    Ok(keys)
}
