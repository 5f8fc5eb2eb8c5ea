//! What is opened beside the client: logins to Vault, leases, a connection for the replay guard.

use std::sync::Arc;

use sealmq_crypto_core::CredentialSource;

use crate::error::ConfigError;
use crate::section::Resolved;

/// What was opened so far, and closed in the other order.
#[derive(Default)]
pub(crate) struct Opening {
    #[cfg(feature = "vault")]
    vaults: std::collections::BTreeMap<String, sealmq_keys_vault::VaultClient>,
    #[cfg(all(feature = "postgres", feature = "vault"))]
    leases: Vec<sealmq_keys_vault::VaultDatabaseCredentials>,
    #[cfg(feature = "nats-replay")]
    nats: Option<sealmq_transport_nats::NatsConnection>,
}

impl Opening {
    #[cfg(feature = "nats-replay")]
    pub(crate) fn keep_nats(&mut self, connection: sealmq_transport_nats::NatsConnection) {
        self.nats = Some(connection);
    }

    /// Logs in as `[vault.NAME]` says.
    #[cfg(feature = "vault")]
    pub(crate) async fn log_in(
        &mut self,
        name: &str,
        table: &Resolved<'_>,
    ) -> Result<(), ConfigError> {
        use sealmq_keys_vault::{VaultClient, VaultConfig};
        let cannot = |error| crate::key_error::refused(table, error);
        let config = VaultConfig::from_settings(&table.settings()).map_err(cannot)?;
        let client = VaultClient::connect(config).await.map_err(cannot)?;
        self.vaults.insert(name.to_owned(), client);
        Ok(())
    }

    #[cfg(not(feature = "vault"))]
    pub(crate) async fn log_in(
        &mut self,
        _name: &str,
        table: &Resolved<'_>,
    ) -> Result<(), ConfigError> {
        Err(table.section.error("this program was built without the feature vault"))
    }

    /// The user that Vault makes for this table, if it is to.
    #[cfg(all(feature = "postgres", feature = "vault"))]
    pub(crate) async fn credentials(
        &mut self,
        table: &Resolved<'_>,
    ) -> Result<Option<Arc<dyn CredentialSource>>, ConfigError> {
        use sealmq_keys_vault::{VaultDatabaseConfig, VaultDatabaseCredentials};

        use crate::kinds::VAULT_KEY;
        let settings = table.settings();
        let Some(name) = settings.get(VAULT_KEY) else { return Ok(None) };
        let Some(vault) = self.vaults.get(&name) else {
            return Err(table.section.error("not tried: there is no login to Vault"));
        };
        let cannot = |error| crate::key_error::refused(table, error);
        let role = VaultDatabaseConfig::from_settings(&settings).map_err(cannot)?;
        let fetched = VaultDatabaseCredentials::fetch(vault.clone(), role).await;
        let credentials = fetched.map_err(cannot)?;
        self.leases.push(credentials.clone());
        Ok(Some(Arc::new(credentials)))
    }

    #[cfg(not(all(feature = "postgres", feature = "vault")))]
    pub(crate) async fn credentials(
        &mut self,
        _table: &Resolved<'_>,
    ) -> Result<Option<Arc<dyn CredentialSource>>, ConfigError> {
        Ok(None)
    }

    /// Revokes the leases, ends the logins, closes the connection. Repeating it is fine. What fails
    /// is logged: a lease that is not revoked runs out by itself.
    pub(crate) async fn close(&self) {
        #[cfg(all(feature = "postgres", feature = "vault"))]
        for lease in &self.leases {
            if let Err(error) = lease.close_and_revoke().await {
                tracing::warn!(target: "sealmq::config", %error, "a lease was not revoked");
            }
        }
        #[cfg(feature = "vault")]
        for (name, vault) in &self.vaults {
            if let Err(error) = vault.close_and_revoke().await {
                tracing::warn!(target: "sealmq::config", vault = name, %error, "a login was not ended");
            }
        }
        #[cfg(feature = "nats-replay")]
        if let Some(nats) = &self.nats
            && let Err(error) = nats.close().await
        {
            tracing::warn!(target: "sealmq::config", %error, "the replay guard was not closed");
        }
    }
}
