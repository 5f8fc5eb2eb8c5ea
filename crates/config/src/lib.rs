//! Transport, keys, policy and queues of sealmq from one TOML file.
//!
//! Each adapter's settings are there under the names of their environment variables, without the
//! prefix and in lower case: `SEALMQ_NATS_CONNECT_TIMEOUT_MS` is `connect_timeout_ms` in
//! `[transport]`. `docs/configuration.md` lists them all.
//!
//! ```
//! # #[cfg(all(feature = "memory", feature = "local"))] {
//! use sealmq_config::Config;
//!
//! let config = Config::parse(
//!     r#"
//!     environment = "production"
//!     tenant = "acme"
//!
//!     [transport]
//!     kind = "memory"
//!
//!     [[keys]]
//!     kind = "file"
//!     path = "/var/lib/orders/keyring"
//!     passphrase = { env = "KEYRING_PASSPHRASE" }
//!
//!     [queues.orders]
//!     "#,
//! )?;
//! let error = Config::parse("enviroment = \"production\"").unwrap_err();
//! assert_eq!((error.path(), error.line()), ("enviroment", Some(1)));
//! # }
//! # Ok::<(), sealmq_config::ConfigError>(())
//! ```
//!
//! [`Config::connect`] gives a [`Service`], and that a client of each queue.

#![cfg_attr(
    not(all(
        feature = "aws-kms",
        feature = "aws-secrets",
        feature = "azure-keyvault",
        feature = "local",
        feature = "memory",
        feature = "nats",
        feature = "nats-replay",
        feature = "pkcs11",
        feature = "postgres",
        feature = "servicebus",
        feature = "sqs",
        feature = "vault"
    )),
    allow(
        dead_code,
        unreachable_code,
        unused_imports,
        unused_variables,
        reason = "a build with few adapters leaves parts of the others' ways unused"
    )
)]

mod adapter;
mod catalogue;
mod config;
mod connect;
mod crypto;
#[cfg(feature = "postgres")]
mod database;
mod date;
mod document;
mod error;
mod key_error;
mod key_source;
mod keyring;
#[cfg(feature = "local")]
mod keyring_file;
mod keys;
mod kinds;
mod nearest;
mod opening;
mod queues;
mod replay_guard;
mod report;
mod schema;
mod section;
mod service;
mod top;
mod transport;
mod value;
mod vaults;

#[cfg(test)]
mod tests;

pub use config::Config;
pub use connect::Connected;
pub use error::ConfigError;
pub use report::{Given, Origin, Part};
pub use schema::schema;
pub use service::Service;
