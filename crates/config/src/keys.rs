//! `[[keys]]`: the configuration of each adapter, and the connections.

use std::sync::Arc;

use sealmq_crypto_core::{CredentialSource, KekAlias, KeyError, KeyManagementService};
use sealmq_settings::Settings;

use crate::error::ConfigError;
use crate::key_error::refused;
use crate::key_source::Source;
use crate::kinds::ALIAS_KEY;
use crate::opening::Opening;
use crate::section::Resolved;

/// The configuration of one adapter, checked without I/O to its server.
pub(crate) enum Prepared {
    #[cfg(feature = "vault")]
    VaultTransit(sealmq_keys_vault::VaultConfig, sealmq_keys_vault::VaultTransitConfig),
    #[cfg(feature = "vault")]
    VaultKv(sealmq_keys_vault::VaultConfig, sealmq_keys_vault::VaultKvConfig),
    #[cfg(feature = "aws-kms")]
    AwsKms(sealmq_keys_aws::AwsKmsConfig),
    #[cfg(feature = "aws-secrets")]
    AwsSecrets(sealmq_keys_aws::AwsSecretsConfig),
    #[cfg(feature = "azure-keyvault")]
    AzureKeyVault(sealmq_keys_azure::AzureKeyVaultConfig),
    #[cfg(feature = "azure-keyvault")]
    AzureSecrets(sealmq_keys_azure::AzureSecretsConfig),
    #[cfg(feature = "postgres")]
    Postgres(
        sealmq_keys_postgres::PostgresConfig,
        sealmq_keys_postgres::MasterKeys,
        sealmq_keys_postgres::PostgresKeyServiceConfig,
    ),
    #[cfg(feature = "pkcs11")]
    Pkcs11(sealmq_keys_pkcs11::Pkcs11Config),
    #[cfg(feature = "local")]
    File(sealmq_keys_local::FileKeyringConfig, Option<sealmq_keys_local::Passphrase>),
}

impl Prepared {
    /// What the table says to the adapter of this kind.
    pub(crate) fn of(kind: &str, table: &Resolved<'_>) -> Result<Self, ConfigError> {
        Self::read(kind, &table.settings()).map_err(|error| refused(table, error))
    }

    /// What these settings say to the adapter of this kind.
    #[allow(unused_variables, reason = "a build may have no adapter")]
    pub(crate) fn read(kind: &str, settings: &Settings<'_>) -> Result<Self, KeyError> {
        match kind {
            #[cfg(feature = "vault")]
            "vault-transit" => {
                use sealmq_keys_vault::{VaultConfig, VaultTransitConfig};
                let transit = VaultTransitConfig::from_settings(settings)?;
                Ok(Self::VaultTransit(VaultConfig::from_settings(settings)?, transit))
            }
            #[cfg(feature = "vault")]
            "vault-kv" => {
                use sealmq_keys_vault::{VaultConfig, VaultKvConfig};
                let kv = VaultKvConfig::from_settings(settings)?;
                Ok(Self::VaultKv(VaultConfig::from_settings(settings)?, kv))
            }
            #[cfg(feature = "aws-kms")]
            "aws-kms" => sealmq_keys_aws::AwsKmsConfig::from_settings(settings).map(Self::AwsKms),
            #[cfg(feature = "aws-secrets")]
            "aws-secrets" => {
                sealmq_keys_aws::AwsSecretsConfig::from_settings(settings).map(Self::AwsSecrets)
            }
            #[cfg(feature = "azure-keyvault")]
            "azure-keyvault" => sealmq_keys_azure::AzureKeyVaultConfig::from_settings(settings)
                .map(Self::AzureKeyVault),
            #[cfg(feature = "azure-keyvault")]
            "azure-secrets" => sealmq_keys_azure::AzureSecretsConfig::from_settings(settings)
                .map(Self::AzureSecrets),
            #[cfg(feature = "postgres")]
            "postgres" => {
                use sealmq_keys_postgres::{MasterKeys, PostgresKeyServiceConfig};
                let config = crate::database::read(settings)?;
                let service = PostgresKeyServiceConfig::from_settings(settings)?;
                Ok(Self::Postgres(config, MasterKeys::from_settings(settings)?, service))
            }
            #[cfg(feature = "pkcs11")]
            "pkcs11" => sealmq_keys_pkcs11::Pkcs11Config::from_settings(settings).map(Self::Pkcs11),
            #[cfg(feature = "local")]
            "file" => {
                let (config, passphrase) = crate::keyring_file::read(settings)?;
                Ok(Self::File(config, passphrase))
            }
            _ => Err(KeyError::invalid_input("kind", "is not built in")),
        }
    }

    /// The connection, as a service under its alias or as a store.
    pub(crate) async fn connect(
        self,
        table: &Resolved<'_>,
        opening: &mut Opening,
    ) -> Result<Source, ConfigError> {
        let (alias, credentials) = (alias(table)?, opening.credentials(table).await?);
        self.open(alias, credentials).await.map_err(|error| refused(table, error))
    }

    #[allow(unused_variables, reason = "a build may have no key service")]
    async fn open(
        self,
        alias: Option<String>,
        credentials: Option<Arc<dyn CredentialSource>>,
    ) -> Result<Source, KeyError> {
        match self {
            #[cfg(feature = "vault")]
            Self::VaultTransit(config, transit) => {
                use sealmq_keys_vault::{VaultClient, VaultTransitService};
                let client = VaultClient::connect(config).await?;
                service(alias, Arc::new(VaultTransitService::new(client, transit)?))
            }
            #[cfg(feature = "vault")]
            Self::VaultKv(config, kv) => {
                use sealmq_keys_vault::{VaultClient, VaultKvProvider};
                let client = VaultClient::connect(config).await?;
                Ok(Source::Store(Arc::new(VaultKvProvider::new(client, kv)?)))
            }
            #[cfg(feature = "aws-kms")]
            Self::AwsKms(config) => {
                service(alias, Arc::new(sealmq_keys_aws::AwsKmsService::connect(&config).await?))
            }
            #[cfg(feature = "aws-secrets")]
            Self::AwsSecrets(config) => {
                let store = sealmq_keys_aws::AwsSecretsProvider::connect(&config).await?;
                Ok(Source::Store(Arc::new(store)))
            }
            #[cfg(feature = "azure-keyvault")]
            Self::AzureKeyVault(config) => {
                service(alias, Arc::new(sealmq_keys_azure::AzureKeyVaultService::new(config)?))
            }
            #[cfg(feature = "azure-keyvault")]
            Self::AzureSecrets(config) => {
                let store = sealmq_keys_azure::AzureSecretsProvider::new(config)?;
                Ok(Source::Store(Arc::new(store)))
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(config, master_keys, tenants) => {
                use sealmq_keys_postgres::{PostgresKeyService, schema_version};
                let client = crate::database::client(&config, credentials)?;
                schema_version(&client).await?;
                service(alias, Arc::new(PostgresKeyService::new(client, master_keys, tenants)?))
            }
            #[cfg(feature = "pkcs11")]
            Self::Pkcs11(config) => {
                service(alias, Arc::new(sealmq_keys_pkcs11::Pkcs11Service::connect(config).await?))
            }
            #[cfg(feature = "local")]
            Self::File(config, passphrase) => {
                crate::keyring_file::open(config, passphrase, alias).await
            }
        }
    }
}

/// A service needs its alias; the file was checked for it.
#[cfg(any(
    feature = "aws-kms",
    feature = "azure-keyvault",
    feature = "pkcs11",
    feature = "postgres",
    feature = "vault"
))]
fn service(
    alias: Option<String>,
    service: Arc<dyn KeyManagementService>,
) -> Result<Source, KeyError> {
    let alias = alias.ok_or_else(|| KeyError::invalid_input(ALIAS_KEY, "is not set"))?;
    Ok(Source::Service { alias, service })
}

/// The alias of the table, checked.
pub(crate) fn alias(table: &Resolved<'_>) -> Result<Option<String>, ConfigError> {
    let alias = table.settings().get(ALIAS_KEY);
    if let Some(alias) = &alias {
        KekAlias::new(alias).map_err(|error| {
            let shown = error.to_string();
            let reason = shown.split_once(": ").map_or(shown.as_str(), |(_, reason)| reason);
            table.refused(ALIAS_KEY, reason)
        })?;
    }
    Ok(alias)
}
