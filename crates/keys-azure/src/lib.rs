//! Azure Key Vault as a source of keys: its keys as key service, its secrets as key store.
//!
//! | type | implements | what stays where |
//! | --- | --- | --- |
//! | [`AzureKeyVaultService`] | [`KeyManagementService`] | KEKs never leave the vault; DEKs are wrapped there |
//! | [`AzureSecretsProvider`] | [`KeyProvider`] | the key itself is read from a secret |
//!
//! An RSA key wraps with its public half: **whoever can read that can make a wrapped DEK that
//! opens**, and with it messages that look genuine. So with RSA keys this adapter authenticates
//! each wrapped form by a MAC under keys of a [`KeyProvider`], and asks the vault only after the
//! MAC was verified; going without needs a setting that begins with `danger_`. The symmetric keys
//! of a managed HSM have no public half and need nothing more.
//!
//! No SDK retries and no redirect is followed: callers of these traits decide what is tried again.
//!
//! [`KeyProvider`]: sealmq_crypto_core::KeyProvider
//! [`KeyManagementService`]: sealmq_crypto_core::KeyManagementService

mod authenticity;
mod binding;
mod client;
mod config;
mod error;
mod first_use;
mod health;
mod key_name;
mod lifecycle;
mod provider;
mod service;
mod tombstone;
mod versions;
mod wrapped;

pub use config::{
    AzureConnection, AzureIdentity, AzureKeyVaultConfig, AzureSecretsConfig, KekKind, KeyVaultKeys,
};
pub use provider::AzureSecretsProvider;
pub use sealmq_tls::{TlsConfig, TlsVersion};
pub use service::AzureKeyVaultService;
