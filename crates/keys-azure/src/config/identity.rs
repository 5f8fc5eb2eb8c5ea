//! Who calls: the credentials that a service can have.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use sealmq_crypto_core::KeyError;
use zeroize::Zeroizing;

use super::first_refused;

/// Who calls the vault.
///
/// Credentials of developers (command-line tools, editors) are not among them: use
/// [`AzureIdentity::custom`] if a test needs one.
#[derive(Clone)]
pub struct AzureIdentity(pub(crate) Kind);

#[derive(Clone)]
pub(crate) enum Kind {
    ClientSecret { tenant_id: String, client_id: String, secret: Zeroizing<String> },
    Managed { client_id: Option<String> },
    Workload { tenant_id: Option<String>, client_id: Option<String>, token_file: Option<PathBuf> },
    Custom(Arc<dyn TokenCredential>),
}

impl AzureIdentity {
    /// The managed identity of the virtual machine or App Service: the system-assigned one, or the
    /// user-assigned one of this client id.
    pub fn managed(client_id: Option<String>) -> Self {
        Self(Kind::Managed { client_id })
    }

    /// A workload of Kubernetes, as the variables `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and
    /// `AZURE_FEDERATED_TOKEN_FILE` say, which its webhook sets.
    pub fn workload() -> Self {
        Self(Kind::Workload { tenant_id: None, client_id: None, token_file: None })
    }

    /// A workload whose token for this application of this directory is in this file.
    pub fn workload_of(
        tenant_id: impl Into<String>,
        client_id: impl Into<String>,
        token_file: impl Into<PathBuf>,
    ) -> Self {
        Self(Kind::Workload {
            tenant_id: Some(tenant_id.into()),
            client_id: Some(client_id.into()),
            token_file: Some(token_file.into()),
        })
    }

    /// An application of this directory with its secret, which is never shown.
    pub fn client_secret(
        tenant_id: impl Into<String>,
        client_id: impl Into<String>,
        secret: impl Into<String>,
    ) -> Self {
        Self(Kind::ClientSecret {
            tenant_id: tenant_id.into(),
            client_id: client_id.into(),
            secret: Zeroizing::new(secret.into()),
        })
    }

    /// A credential of your own. Its connections, timeouts and retries are its own, too.
    pub fn custom(credential: Arc<dyn TokenCredential>) -> Self {
        Self(Kind::Custom(credential))
    }

    pub(crate) fn validate(&self) -> Result<(), KeyError> {
        let (tenant, client, secret) = match &self.0 {
            Kind::ClientSecret { tenant_id, client_id, secret } => {
                (Some(tenant_id), Some(client_id), Some(secret))
            }
            Kind::Managed { client_id } => (None, client_id.as_ref(), None),
            Kind::Workload { tenant_id, client_id, .. } => {
                (tenant_id.as_ref(), client_id.as_ref(), None)
            }
            Kind::Custom(_) => (None, None, None),
        };
        first_refused([
            ("tenant_id", "is an id or domain of a directory", tenant.is_none_or(|id| is_id(id))),
            ("client_id", "is the id of an application", client.is_none_or(|id| is_id(id))),
            ("client_secret", "is empty", secret.is_none_or(|secret| !secret.is_empty())),
        ])
    }
}

fn is_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    (1..=253).contains(&id.len()) && id.bytes().all(plain)
}

/// Shows no secret.
impl fmt::Debug for AzureIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::ClientSecret { tenant_id, client_id, .. } => f
                .debug_struct("ClientSecret")
                .field("tenant_id", tenant_id)
                .field("client_id", client_id)
                .finish_non_exhaustive(),
            Kind::Managed { client_id } => {
                f.debug_struct("Managed").field("client_id", client_id).finish()
            }
            Kind::Workload { tenant_id, client_id, token_file } => f
                .debug_struct("Workload")
                .field("tenant_id", tenant_id)
                .field("client_id", client_id)
                .field("token_file", token_file)
                .finish(),
            Kind::Custom(_) => f.write_str("Custom"),
        }
    }
}
