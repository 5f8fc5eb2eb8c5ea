//! Keys of Azure Key Vault, or of the server that the tests run against.

use std::env;
use std::sync::Arc;

use async_trait::async_trait;
use sealmq::azure::{AzureKeyVaultConfig, AzureKeyVaultService, KeyVaultKeys};
use sealmq::settings::Settings;
use sealmq::{KeyError, KeyManagementService};

use super::{KeySource, Purpose};

pub(super) struct AzureSource {
    /// As the command line has it; none if it is the environment's.
    vault_url: Option<String>,
    purpose: Purpose,
    shown: String,
}

impl AzureSource {
    /// What the environment says, at this vault if one is named.
    pub(super) fn at(vault_url: &str, purpose: Purpose) -> Result<Self, KeyError> {
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let symmetric = env::var("SEALMQ_AZURE_KEK_KIND").is_ok_and(|kind| kind == "symmetric-hsm");
        if !symmetric && !is_set("SEALMQ_AZURE_WRAP_SECRET") {
            let reason = "is not set: it names the secret of the vault that authenticates wraps by \
                          RSA keys; az keyvault secret set --vault-name V \
                          --name sealmq-wrap-authentication --value \"$(openssl rand -base64 32)\" \
                          makes one";
            return Err(KeyError::invalid_input("SEALMQ_AZURE_WRAP_SECRET", reason));
        }
        if purpose == Purpose::Demo && !is_set("SEALMQ_AZURE_KEY_PREFIX") {
            let reason = "is not set: the demo makes keys whose names begin so, as sealmq-demo";
            return Err(KeyError::invalid_input("SEALMQ_AZURE_KEY_PREFIX", reason));
        }
        let vault_url = Some(vault_url).filter(|url| !url.is_empty()).map(str::to_owned);
        let source = Self { vault_url, purpose, shown: String::new() };
        let shown = source.config()?.connection.vault_url; // checked, so it holds no password
        Ok(Self { shown, ..source })
    }

    /// Anew for each connection: each reads the wrap secret by itself.
    fn config(&self) -> Result<AzureKeyVaultConfig, KeyError> {
        let settings = Settings::from_env().with("SEALMQ_AZURE_VAULT_URL", self.vault_url.clone());
        let mut config = AzureKeyVaultConfig::from_settings(&settings)?;
        config.auto_create =
            self.purpose.creates() && matches!(config.keys, KeyVaultKeys::PerTenant { .. });
        Ok(config)
    }
}

#[async_trait]
impl KeySource for AzureSource {
    fn kind(&self) -> &'static str {
        "azure"
    }

    fn describe(&self) -> String {
        format!("Key Vault at {}", self.shown)
    }

    async fn connect(&self) -> Result<Arc<dyn KeyManagementService>, KeyError> {
        Ok(Arc::new(AzureKeyVaultService::new(self.config()?)?))
    }

    fn how_to_prepare(&self) -> &'static str {
        "az keyvault secret set, and az keyvault set-policy; see docs/key-management.md"
    }

    fn remains(&self) -> &'static str {
        "a disabled key whose name ends with -shredded"
    }
}
