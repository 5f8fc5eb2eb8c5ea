//! Which secret of the vault is the store of named keys.

use std::time::Duration;

use sealmq_crypto_core::KeyError;

use super::{AzureConnection, first_refused};
use crate::key_name::is_key_name;

/// How a secret of Azure Key Vault is used as a key store.
///
/// Each version of the secret is one key: 32 bytes in base64 (RFC 4648, padded). Its version id is
/// the key's id.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct AzureSecretsConfig {
    /// How to reach the vault.
    pub connection: AzureConnection,
    /// The name of the secret.
    pub secret: String,
    /// For how long the list of versions may be remembered; 60 s.
    pub refresh_interval: Duration,
}

impl AzureSecretsConfig {
    /// This secret of this vault.
    pub fn new(connection: AzureConnection, secret: impl Into<String>) -> Self {
        let refresh_interval = Duration::from_secs(60);
        Self { connection, secret: secret.into(), refresh_interval }
    }

    /// The same configuration with this much time for which the list of versions is remembered.
    #[must_use]
    pub fn with_refresh_interval(mut self, interval: Duration) -> Self {
        self.refresh_interval = interval;
        self
    }

    /// Checks everything that can be checked without I/O.
    ///
    /// # Errors
    /// `InvalidInput` names the field that is not acceptable.
    pub fn validate(&self) -> Result<(), KeyError> {
        self.connection.validate()?;
        let reason = "is a name of letters, digits and hyphens";
        first_refused([("secret", reason, is_key_name(&self.secret))])
    }
}
