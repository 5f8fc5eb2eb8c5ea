//! PostgreSQL as a table of the file has it: the server, and who logs in there.

use std::sync::Arc;

use sealmq_crypto_core::{CredentialSource, KeyError};
use sealmq_keys_postgres::{PostgresClient, PostgresConfig};
use sealmq_settings::{InvalidSetting, Settings};

use crate::key_error::invalid;
use crate::kinds::VAULT_KEY;

/// The server that these settings lead to; user and password come with it or from Vault.
pub(crate) fn read(settings: &Settings<'_>) -> Result<PostgresConfig, InvalidSetting> {
    let config = PostgresConfig::from_settings(settings).map_err(invalid)?;
    if reads_role(settings)? {
        config.validate_without_login().map_err(invalid)?;
    }
    Ok(config)
}

/// Whether Vault makes the user; then the role has been checked.
#[cfg(feature = "vault")]
fn reads_role(settings: &Settings<'_>) -> Result<bool, InvalidSetting> {
    use sealmq_keys_vault::VaultDatabaseConfig;
    let given = VaultDatabaseConfig::SETTINGS.iter().copied().flatten();
    let given = given.filter(|setting| settings.get(setting.variable).is_some());
    let given: Vec<_> = given.map(|setting| setting.variable).collect();
    match (settings.get(VAULT_KEY), given.first()) {
        (None, None) => Ok(false),
        (None, Some(given)) => {
            Err(InvalidSetting::new(VAULT_KEY, format!("is not set, and {given} is")))
        }
        (Some(_), _) => VaultDatabaseConfig::from_settings(settings).map(|_| true).map_err(invalid),
    }
}

#[cfg(not(feature = "vault"))]
fn reads_role(_settings: &Settings<'_>) -> Result<bool, InvalidSetting> {
    Ok(false)
}

/// Connections, with user and password from the source if there is one.
pub(crate) fn client(
    config: &PostgresConfig,
    credentials: Option<Arc<dyn CredentialSource>>,
) -> Result<PostgresClient, KeyError> {
    match credentials {
        Some(source) => PostgresClient::with_credentials(config, source),
        None => PostgresClient::new(config),
    }
}
