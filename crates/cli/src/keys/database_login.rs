//! The user of PostgreSQL that Vault makes for this process, and that ends with it.

use std::sync::Arc;

use sealmq::settings::Settings;
use sealmq::{CredentialSource, KeyError};

/// The role that makes it; none: user and password are those of PostgreSQL's own settings.
const ROLE: &str = "SEALMQ_VAULT_DATABASE_ROLE";

/// Whether there is to be one.
pub(super) fn is_wanted() -> bool {
    Settings::from_env().get(ROLE).is_some()
}

#[cfg(not(feature = "vault"))]
mod vault {
    use super::*;

    pub(super) fn check() -> Result<(), KeyError> {
        let reason = "is set, and this program was built without the feature vault";
        Err(KeyError::invalid_input(ROLE, reason))
    }

    pub(super) async fn credentials() -> Result<Arc<dyn CredentialSource>, KeyError> {
        check()?;
        Err(KeyError::invalid_input(ROLE, "is set"))
    }

    pub(super) async fn give_back() {}
}

#[cfg(feature = "vault")]
mod vault {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use sealmq::vault::{VaultClient, VaultConfig, VaultDatabaseConfig, VaultDatabaseCredentials};

    use super::*;

    /// A process has one, however many connections it opens: what ends it is `block_on`, which
    /// knows of no command.
    static GRANTED: Mutex<Option<(VaultClient, VaultDatabaseCredentials)>> = Mutex::new(None);

    fn granted() -> MutexGuard<'static, Option<(VaultClient, VaultDatabaseCredentials)>> {
        GRANTED.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn check() -> Result<(), KeyError> {
        VaultDatabaseConfig::from_env()?;
        VaultConfig::from_env().map(drop)
    }

    pub(super) async fn credentials() -> Result<Arc<dyn CredentialSource>, KeyError> {
        let known = granted().as_ref().map(|(_, credentials)| credentials.clone());
        if let Some(known) = known {
            return Ok(Arc::new(known));
        }
        let client = VaultClient::connect(VaultConfig::from_env()?).await?;
        let role = VaultDatabaseConfig::from_env()?;
        let credentials = VaultDatabaseCredentials::fetch(client.clone(), role).await?;
        *granted() = Some((client, credentials.clone()));
        Ok(Arc::new(credentials))
    }

    pub(super) async fn give_back() {
        let last = granted().take();
        if let Some((client, credentials)) = last {
            // What is not revoked runs out by itself: no reason to fail what was done.
            let _ = credentials.close_and_revoke().await;
            let _ = client.close_and_revoke().await;
        }
    }
}

/// Checks what leads to it, without I/O.
///
/// # Errors
/// `InvalidInput` names the variable or field.
pub(super) fn check() -> Result<(), KeyError> {
    vault::check()
}

/// The user, the same for all connections of this process.
///
/// # Errors
/// Those of Vault.
pub(super) async fn credentials() -> Result<Arc<dyn CredentialSource>, KeyError> {
    vault::credentials().await
}

/// Has the user revoked, if there is one, and the login that it was granted to.
pub(crate) async fn give_back() {
    vault::give_back().await;
}
