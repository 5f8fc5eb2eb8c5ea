//! The configurations from settings: the environment, or a configuration file.
//!
//! Credentials are no settings: they come from the AWS default chain, which has variables of its
//! own.

#[cfg(feature = "kms")]
use std::collections::BTreeMap;

use sealmq_aws::AwsConnection;
#[cfg(feature = "secrets")]
use sealmq_crypto_core::EncryptionKeyId;
use sealmq_crypto_core::KeyError;
#[cfg(feature = "kms")]
use sealmq_crypto_core::TenantId;
#[cfg(feature = "kms")]
use sealmq_settings::InvalidSetting;
use sealmq_settings::{Kind, Setting, Settings};
use sealmq_tls::tls_settings;

#[cfg(feature = "secrets")]
use super::AwsSecretsConfig;
#[cfg(feature = "kms")]
use super::{AwsKmsConfig, KmsKeys};

const REGION: &str = "SEALMQ_AWS_REGION";
const REQUEST_TIMEOUT: &str = "SEALMQ_AWS_REQUEST_TIMEOUT_MS";

const COMMON: &[Setting] = &[
    Setting::new(REGION, Kind::Text, "the region; as the AWS tools find it"),
    Setting::new(REQUEST_TIMEOUT, Kind::Milliseconds, "for a request; 5000"),
];

const TLS: [Setting; 5] = tls_settings!("SEALMQ_AWS_");

fn connection(settings: &Settings<'_>, endpoint: &'static str) -> Result<AwsConnection, KeyError> {
    let names = [endpoint, REGION, REQUEST_TIMEOUT];
    Ok(AwsConnection::from_settings(settings, names, &TLS)?)
}

#[cfg(feature = "kms")]
const KEY: &str = "SEALMQ_AWS_KMS_KEY";
#[cfg(feature = "kms")]
const TENANT_KEYS: &str = "SEALMQ_AWS_KMS_TENANT_KEYS";
#[cfg(feature = "kms")]
const ALIAS_PREFIX: &str = "SEALMQ_AWS_KMS_ALIAS_PREFIX";
#[cfg(feature = "kms")]
const AUTO_CREATE: &str = "SEALMQ_AWS_KMS_AUTO_CREATE";
#[cfg(feature = "kms")]
const MULTI_REGION: &str = "SEALMQ_AWS_KMS_MULTI_REGION";
#[cfg(feature = "kms")]
const DELETION_WINDOW: &str = "SEALMQ_AWS_KMS_DELETION_WINDOW_DAYS";
#[cfg(feature = "kms")]
const KMS_ENDPOINT: &str = "SEALMQ_AWS_KMS_ENDPOINT";

#[cfg(feature = "kms")]
impl AwsKmsConfig {
    /// The settings that [`AwsKmsConfig::from_env`] reads.
    pub const SETTINGS: &'static [&'static [Setting]] = &[
        &[
            Setting::new(
                KEY,
                Kind::List,
                "keys of all tenants: ids, ARNs or aliases, oldest first; the last one wraps",
            ),
            Setting::new(
                TENANT_KEYS,
                Kind::List,
                "or keys of each tenant: tenant=key; a tenant with several stands several times",
            ),
            Setting::new(
                ALIAS_PREFIX,
                Kind::Text,
                "or an alias for each tenant and version, which begins so: alias/PATH",
            ),
            Setting::new(AUTO_CREATE, Kind::Flag, "may create first keys; false"),
            Setting::new(MULTI_REGION, Kind::Flag, "keys that it creates are multi-region; false"),
            Setting::new(
                DELETION_WINDOW,
                Kind::Number,
                "days before shredded keys are gone for good, 7 to 30; 30",
            ),
            Setting::new(KMS_ENDPOINT, Kind::Text, "the endpoint of KMS; the region's own"),
        ],
        COMMON,
        &TLS,
    ];

    /// The configuration from the environment: [`AwsKmsConfig::SETTINGS`].
    ///
    /// # Errors
    /// `InvalidInput` names the variable or field that is not acceptable.
    pub fn from_env() -> Result<Self, KeyError> {
        Self::from_settings(&Settings::from_env())
    }

    /// The configuration from [`AwsKmsConfig::SETTINGS`], wherever they are kept.
    ///
    /// # Errors
    /// As [`AwsKmsConfig::from_env`].
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, KeyError> {
        let given = [KEY, TENANT_KEYS, ALIAS_PREFIX].map(|variable| settings.get(variable));
        let mut config = match given {
            [Some(keys), None, None] => Self::shared(keys.split(',').map(str::trim)),
            [None, Some(keys), None] => Self::of(KmsKeys::Mapped(tenant_keys(&keys)?)),
            [None, None, Some(prefix)] => Self::per_tenant(prefix),
            _ => {
                let reason = format!("or {TENANT_KEYS} or {ALIAS_PREFIX}: one of the three");
                return Err(KeyError::invalid_input(KEY, reason));
            }
        };
        config.auto_create = settings.flag(AUTO_CREATE)?.unwrap_or_default();
        config.multi_region = settings.flag(MULTI_REGION)?.unwrap_or_default();
        config.deletion_window_days =
            settings.number(DELETION_WINDOW)?.unwrap_or(config.deletion_window_days);
        config.connection = connection(settings, KMS_ENDPOINT)?;
        config.validate()?;
        Ok(config)
    }
}

#[cfg(feature = "kms")]
fn tenant_keys(text: &str) -> Result<BTreeMap<TenantId, Vec<String>>, InvalidSetting> {
    let refused = || InvalidSetting::new(TENANT_KEYS, "is tenant=key,tenant=key");
    let mut tenants = BTreeMap::<_, Vec<String>>::new();
    for pair in text.split(',') {
        let (tenant, key) = pair.trim().split_once('=').ok_or_else(refused)?;
        let tenant = TenantId::new(tenant.trim()).map_err(|_| refused())?;
        tenants.entry(tenant).or_default().push(key.trim().to_owned());
    }
    Ok(tenants)
}

#[cfg(feature = "secrets")]
const SECRET_ID: &str = "SEALMQ_AWS_SECRET_ID";
#[cfg(feature = "secrets")]
const PINNED_VERSIONS: &str = "SEALMQ_AWS_SECRET_PINNED_VERSIONS";
#[cfg(feature = "secrets")]
const OPEN_LABEL_PREFIX: &str = "SEALMQ_AWS_SECRET_OPEN_LABEL_PREFIX";
#[cfg(feature = "secrets")]
const REFRESH_INTERVAL: &str = "SEALMQ_AWS_SECRET_REFRESH_INTERVAL_S";
#[cfg(feature = "secrets")]
const SECRETS_ENDPOINT: &str = "SEALMQ_AWS_SECRETS_ENDPOINT";

#[cfg(feature = "secrets")]
impl AwsSecretsConfig {
    /// The settings that [`AwsSecretsConfig::from_env`] reads.
    pub const SETTINGS: &'static [&'static [Setting]] = &[
        &[
            Setting::new(SECRET_ID, Kind::Text, "the secret, by its name or ARN; required"),
            Setting::new(PINNED_VERSIONS, Kind::List, "ids of versions that open, too; none"),
            Setting::new(
                OPEN_LABEL_PREFIX,
                Kind::Text,
                "how the labels of versions that open begin; sealmq-open-",
            ),
            Setting::new(
                REFRESH_INTERVAL,
                Kind::Seconds,
                "how long what is known of the versions is good; 60",
            ),
            Setting::new(
                SECRETS_ENDPOINT,
                Kind::Text,
                "the endpoint of Secrets Manager; the region's own",
            ),
        ],
        COMMON,
        &TLS,
    ];

    /// The configuration from the environment: [`AwsSecretsConfig::SETTINGS`].
    ///
    /// # Errors
    /// `InvalidInput` names the variable or field that is not acceptable.
    pub fn from_env() -> Result<Self, KeyError> {
        Self::from_settings(&Settings::from_env())
    }

    /// The configuration from [`AwsSecretsConfig::SETTINGS`], wherever they are kept.
    ///
    /// # Errors
    /// As [`AwsSecretsConfig::from_env`].
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, KeyError> {
        let mut config = Self::new(settings.required(SECRET_ID)?);
        for id in settings.get(PINNED_VERSIONS).iter().flat_map(|ids| ids.split(',')) {
            let id = EncryptionKeyId::new(id.trim())
                .map_err(|error| KeyError::invalid_input(PINNED_VERSIONS, error.to_string()))?;
            config.pinned_versions.insert(id);
        }
        if let Some(prefix) = settings.get(OPEN_LABEL_PREFIX) {
            config.open_label_prefix = prefix;
        }
        config.refresh_interval =
            settings.seconds(REFRESH_INTERVAL)?.unwrap_or(config.refresh_interval);
        config.connection = connection(settings, SECRETS_ENDPOINT)?;
        config.validate()?;
        Ok(config)
    }
}
