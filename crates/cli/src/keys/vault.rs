//! Transit of Vault or OpenBao.

use std::sync::Arc;

use async_trait::async_trait;
use sealmq::settings::Settings;
use sealmq::vault::{VaultClient, VaultConfig, VaultTransitConfig, VaultTransitService};
use sealmq::{KeyError, KeyManagementService};

use super::KeySource;

pub(super) struct VaultSource {
    /// As the command line has it; none if it is the environment's.
    address: Option<String>,
    shown: String,
    transit: VaultTransitConfig,
}

impl VaultSource {
    /// What the environment says, at this address if there is one: `//HOST:PORT` is https, and any
    /// other a whole URL, which may be http on the loopback address alone.
    pub(super) fn at(rest: &str) -> Result<Self, KeyError> {
        let address = match rest.strip_prefix("//") {
            _ if rest.is_empty() => None,
            Some(_) => Some(format!("https:{rest}")),
            None => Some(rest.to_owned()),
        };
        let source =
            Self { shown: String::new(), transit: VaultTransitConfig::from_env()?, address };
        source.config()?; // which checks the address, so it holds no password
        let of_the_environment = || std::env::var("SEALMQ_VAULT_ADDR").unwrap_or_default();
        let shown = source.address.clone().unwrap_or_else(of_the_environment);
        Ok(Self { shown, ..source })
    }

    /// Anew for each connection: credentials are not to be copied.
    fn config(&self) -> Result<VaultConfig, KeyError> {
        let settings = Settings::from_env().with("SEALMQ_VAULT_ADDR", self.address.clone());
        VaultConfig::from_settings(&settings)
    }
}

#[async_trait]
impl KeySource for VaultSource {
    fn kind(&self) -> &'static str {
        "vault"
    }

    fn describe(&self) -> String {
        format!("Vault Transit at {}", self.shown)
    }

    async fn connect(&self) -> Result<Arc<dyn KeyManagementService>, KeyError> {
        let client = VaultClient::connect(self.config()?).await?;
        Ok(Arc::new(VaultTransitService::new(client, self.transit.clone())?))
    }

    fn how_to_prepare(&self) -> &'static str {
        "vault secrets enable transit"
    }

    fn remains(&self) -> &'static str {
        "a key that can only sign"
    }
}
