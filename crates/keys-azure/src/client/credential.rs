//! Tokens: the official credentials, for one audience.

use std::sync::Arc;

use async_trait::async_trait;
use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::http::ClientOptions;
use azure_identity::{
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
    WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use sealmq_crypto_core::KeyError;

use crate::config::AzureConnection;
use crate::config::AzureIdentity;
use crate::error::Call;

/// A credential that gives tokens for the vault's audience and no other.
#[derive(Debug)]
struct OneAudience {
    inner: Arc<dyn TokenCredential>,
    scope: String,
}

#[async_trait]
impl TokenCredential for OneAudience {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        if scopes != [self.scope.as_str()] {
            // The vault chose them: what it calls itself must not get it a token of others.
            let reason = "the vault asks for a token for another audience";
            return Err(azure_core::Error::new(ErrorKind::Credential, reason));
        }
        let token = self.inner.get_token(scopes, options).await;
        // Whatever it was, it happened on the way to a token.
        token.map_err(|error| azure_core::Error::new(ErrorKind::Credential, error))
    }
}

pub(super) fn of(connection: &AzureConnection) -> Result<Arc<dyn TokenCredential>, KeyError> {
    let inner = unbound(connection).map_err(|error| match error {
        Unusable::Ours(error) => error,
        Unusable::Theirs(error) => Call::new("identity").failed(&error).into(),
    })?;
    Ok(Arc::new(OneAudience { inner, scope: connection.scope()? }))
}

enum Unusable {
    Ours(KeyError),
    Theirs(azure_core::Error),
}

impl From<KeyError> for Unusable {
    fn from(error: KeyError) -> Self {
        Self::Ours(error)
    }
}

impl From<azure_core::Error> for Unusable {
    fn from(error: azure_core::Error) -> Self {
        Self::Theirs(error)
    }
}

fn unbound(connection: &AzureConnection) -> Result<Arc<dyn TokenCredential>, Unusable> {
    use crate::config::IdentityKind as Kind;
    let AzureIdentity(kind) = &connection.identity;
    Ok(match kind {
        Kind::Custom(credential) => Arc::clone(credential),
        Kind::ClientSecret { tenant_id, client_id, secret } => {
            let options =
                ClientSecretCredentialOptions { client_options: to_authority(connection)? };
            let secret = Secret::new(secret.to_string());
            ClientSecretCredential::new(tenant_id, client_id.clone(), secret, Some(options))?
        }
        Kind::Managed { client_id } => {
            let options = ManagedIdentityCredentialOptions {
                user_assigned_id: client_id.clone().map(UserAssignedId::ClientId),
                client_options: super::options(connection, None)?,
            };
            ManagedIdentityCredential::new(Some(options))?
        }
        Kind::Workload { tenant_id, client_id, token_file } => {
            let client_options = to_authority(connection)?;
            let options = WorkloadIdentityCredentialOptions {
                credential_options: ClientAssertionCredentialOptions { client_options },
                tenant_id: tenant_id.clone(),
                client_id: client_id.clone(),
                token_file_path: token_file.clone(),
            };
            WorkloadIdentityCredential::new(Some(options))?
        }
    })
}

fn to_authority(connection: &AzureConnection) -> Result<ClientOptions, KeyError> {
    let mut options = super::options(connection, None)?;
    options.cloud = connection.authority_host.clone().map(|authority_host| {
        let mut custom = CustomConfiguration::default();
        custom.authority_host = authority_host;
        Arc::new(CloudConfiguration::Custom(custom))
    });
    Ok(options)
}
