//! What a connection to Azure needs to be told: which vault, who calls, whom to trust.

use std::fmt;
use std::time::Duration;

use azure_core::http::Url;
use sealmq_crypto_core::KeyError;
use sealmq_tls::TlsConfig;

mod env;
mod identity;
mod keys;
mod secrets;
#[cfg(test)]
mod tests;

pub use identity::AzureIdentity;
pub(crate) use identity::Kind as IdentityKind;
pub use keys::{AzureKeyVaultConfig, KekKind, KeyVaultKeys};
pub use secrets::AzureSecretsConfig;

/// The clouds by the ends of their hosts, and who their tokens are for.
///
/// Source: <https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#dns-suffixes-for-object-identifiers>
const AUDIENCES: &[(&str, &str)] = &[
    (".vault.azure.net", "https://vault.azure.net"),
    (".managedhsm.azure.net", "https://managedhsm.azure.net"),
    (".vault.azure.cn", "https://vault.azure.cn"),
    (".managedhsm.azure.cn", "https://managedhsm.azure.cn"),
    (".vault.usgovcloudapi.net", "https://vault.usgovcloudapi.net"),
    (".managedhsm.usgovcloudapi.net", "https://managedhsm.usgovcloudapi.net"),
];

/// How to reach a vault or a managed HSM.
///
/// ```
/// use sealmq_keys_azure::{AzureConnection, AzureIdentity};
///
/// let connection = AzureConnection::new(
///     "https://contoso.vault.azure.net",
///     AzureIdentity::managed(None),
/// );
/// assert!(connection.validate().is_ok());
/// ```
#[non_exhaustive]
#[derive(Clone)]
pub struct AzureConnection {
    /// `https://` and the host of the vault.
    pub vault_url: String,
    /// Who calls.
    pub identity: AzureIdentity,
    /// Whom tokens are for; what the cloud of the vault's host says. A vault that asks for a token
    /// for anyone else gets none.
    pub audience: Option<String>,
    /// Where applications get their tokens; what `AZURE_AUTHORITY_HOST` says, else the public
    /// cloud.
    pub authority_host: Option<String>,
    /// How long a call may take, its token included; 10 s.
    pub request_timeout: Duration,
    pub(crate) tls: TlsConfig,
}

impl AzureConnection {
    /// The vault at this URL, as this caller, trusting the system's authorities.
    pub fn new(vault_url: impl Into<String>, identity: AzureIdentity) -> Self {
        Self {
            vault_url: vault_url.into(),
            identity,
            audience: None,
            authority_host: None,
            request_timeout: Duration::from_secs(10),
            tls: TlsConfig::new(),
        }
    }

    /// The same connection with tokens for this audience, where the host of the vault does not
    /// tell it.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// The same connection with tokens of applications from this host.
    #[must_use]
    pub fn with_authority_host(mut self, authority_host: impl Into<String>) -> Self {
        self.authority_host = Some(authority_host.into());
        self
    }

    /// The same connection with this much time for a call.
    #[must_use]
    pub fn with_request_timeout(mut self, request_timeout: Duration) -> Self {
        self.request_timeout = request_timeout;
        self
    }

    /// The same connection with this trust, for the vault and for the authority host, and this
    /// client certificate; those of the operating system, and none.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsConfig) -> Self {
        self.tls = tls;
        self
    }

    /// Checks everything that can be checked without I/O.
    ///
    /// # Errors
    /// `InvalidInput` names the field that is not acceptable.
    pub fn validate(&self) -> Result<(), KeyError> {
        self.vault()?;
        self.scope()?;
        self.identity.validate()?;
        self.tls.validate()?;
        let authority = self.authority_host.as_deref();
        first_refused([
            ("request_timeout", "must not be zero", !self.request_timeout.is_zero()),
            (
                "authority_host",
                "is https:// and a host",
                authority.is_none_or(|host| https(host).is_some()),
            ),
        ])
    }

    pub(crate) fn vault(&self) -> Result<Url, KeyError> {
        https(&self.vault_url)
            .ok_or_else(|| KeyError::invalid_input("vault_url", "is https:// and a host alone"))
    }

    /// The scope of tokens for the vault.
    pub(crate) fn scope(&self) -> Result<String, KeyError> {
        let host = self.vault()?.host_str().unwrap_or_default().to_owned();
        let known = AUDIENCES.iter().find(|(end, _)| host.ends_with(end));
        let audience = self.audience.as_deref().or(known.map(|(_, audience)| *audience));
        match audience {
            Some(audience) if https(audience).is_some() => {
                Ok(format!("{}/.default", audience.trim_end_matches('/')))
            }
            Some(_) => Err(KeyError::invalid_input("audience", "is https:// and a host alone")),
            None => {
                let reason = "has to be given, because the host of the vault is of no known cloud";
                Err(KeyError::invalid_input("audience", reason))
            }
        }
    }
}

/// Shows no credentials.
impl fmt::Debug for AzureConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureConnection")
            .field("vault_url", &self.vault_url)
            .field("identity", &self.identity)
            .field("audience", &self.audience)
            .field("authority_host", &self.authority_host)
            .field("request_timeout", &self.request_timeout)
            .field("tls", &self.tls)
            .finish()
    }
}

/// A field, what it has to be, and whether it is.
type Check = (&'static str, &'static str, bool);

fn first_refused<const N: usize>(checks: [Check; N]) -> Result<(), KeyError> {
    match checks.into_iter().find(|(_, _, valid)| !valid) {
        Some((field, reason, _)) => Err(KeyError::invalid_input(field, reason)),
        None => Ok(()),
    }
}

/// A URL of TLS with a host and nothing more.
fn https(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let nobody = url.username().is_empty() && url.password().is_none();
    (url.scheme() == "https" && url.has_host() && plain && nobody).then_some(url)
}
