//! The SDK's clients: transport, tokens and no retries of their own.

use std::sync::Arc;

use azure_core::http::{ClientOptions, RetryOptions, Transport, Url};
use azure_security_keyvault_keys::{KeyClient, KeyClientOptions};
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use sealmq_crypto_core::KeyError;

use crate::config::AzureConnection;
use crate::error::Call;

mod calls;
mod credential;
mod http;
mod keys;

pub(crate) use calls::Calls;
pub(crate) use keys::{Listed, VaultKeys};

/// A client of the vault's keys.
pub(crate) fn keys(connection: &AzureConnection) -> Result<KeyClient, KeyError> {
    let options = KeyClientOptions {
        client_options: to_vault(connection)?,
        // The credential gives tokens for one audience only, whatever the challenge says.
        verify_challenge_resource: Some(false),
        ..KeyClientOptions::default()
    };
    let credential = credential::of(connection)?;
    KeyClient::new(&connection.vault_url, credential, Some(options))
        .map_err(|error| Call::new("vault_url").failed(&error).into())
}

/// A client of the vault's secrets.
pub(crate) fn secrets(connection: &AzureConnection) -> Result<SecretClient, KeyError> {
    let options = SecretClientOptions {
        client_options: to_vault(connection)?,
        verify_challenge_resource: Some(false),
        ..SecretClientOptions::default()
    };
    let credential = credential::of(connection)?;
    SecretClient::new(&connection.vault_url, credential, Some(options))
        .map_err(|error| Call::new("vault_url").failed(&error).into())
}

fn to_vault(connection: &AzureConnection) -> Result<ClientOptions, KeyError> {
    options(connection, Some(connection.vault()?))
}

/// Options for a pipeline to this origin alone, or to any.
fn options(connection: &AzureConnection, origin: Option<Url>) -> Result<ClientOptions, KeyError> {
    let client = http::BoundedClient::new(connection, origin)?;
    Ok(ClientOptions {
        // Whoever calls the key service is the one that retries.
        retry: RetryOptions::none(),
        transport: Some(Transport::new(Arc::new(client))),
        ..ClientOptions::default()
    })
}
