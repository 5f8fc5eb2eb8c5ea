//! Keys in Vault and OpenBao for sealmq.
//!
//! | type | implements | the server | needs at run time |
//! | --- | --- | --- | --- |
//! | [`VaultTransitService`] | [`KeyManagementService`] | wraps DEKs (Transit) | `update` on `encrypt/…` and `decrypt/…` |
//! | [`VaultTransitCrypto`] | [`CryptoProvider`] | seals the bodies themselves (Transit) | the same |
//! | [`VaultKvProvider`] | [`KeyProvider`] | stores named keys (KV version 2) | `read` on `data/…` and `metadata/…` |
//! | [`VaultDatabaseCredentials`] | [`CredentialSource`] | makes users of a database, for a time | `read` on `creds/…`, `update` on `sys/leases/renew` and `sys/leases/revoke` |
//!
//! All of them share a [`VaultClient`], which logs in, renews its token in the background and logs
//! in again when the token was refused. It is a thin client of its own: it follows no redirect,
//! takes no proxy and no `VAULT_*` setting from the environment, and bounds time and size of every
//! answer. HashiCorp Vault must be 1.13 or later; OpenBao may be any version.
//!
//! The policies to run it under are in the folder `policies` of this crate.
//!
//! [`CredentialSource`]: sealmq_crypto_core::CredentialSource
//! [`CryptoProvider`]: sealmq_crypto_core::CryptoProvider
//! [`KeyManagementService`]: sealmq_crypto_core::KeyManagementService
//! [`KeyProvider`]: sealmq_crypto_core::KeyProvider

mod auth;
mod client;
mod config;
mod crypto;
mod database;
mod error;
mod health;
mod http;
mod key_names;
mod lease;
mod lifecycle;
mod login;
mod path;
mod provider;
mod renewal;
mod service;
mod session;
mod timer;
mod timestamp;
mod transit;
mod wire;
mod wrapped;

pub use auth::{VaultAuth, VaultSecret, VaultSecretId};
pub use client::VaultClient;
pub use config::{VaultConfig, VaultDatabaseConfig, VaultKvConfig, VaultTransitConfig};
pub use crypto::{VaultTransitCrypto, VaultTransitKey};
pub use database::VaultDatabaseCredentials;
pub use health::VaultHealth;
pub use provider::VaultKvProvider;
pub use sealmq_tls::{TlsConfig, TlsVersion};
pub use service::VaultTransitService;
