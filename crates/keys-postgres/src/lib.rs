//! Keys in PostgreSQL: KEKs under a master key, a store of DEKs, a replay guard.
//!
//! | type | is | table |
//! | --- | --- | --- |
//! | [`PostgresKeyService`] | a [`KeyManagementService`]: a KEK per tenant, stored under a [`MasterKey`] | `kms_keys` |
//! | [`PostgresDekStore`] | a [`KeyProvider`]: named DEKs, stored under the tenant's KEK | `kms_deks` |
//! | [`PostgresReplayGuard`] | a [`ReplayGuard`] that consumers share | `replay_nonces` |
//!
//! Each works over connections of its own ([`PostgresClient`]) and in a transaction of the
//! caller's: what is done there is undone with it. The tables live in a schema of their own and
//! are made by [`migrate`]; [`grants`] gives each role no more than it needs.
//!
//! [`KeyManagementService`]: sealmq_crypto_core::KeyManagementService
//! [`KeyProvider`]: sealmq_crypto_core::KeyProvider
//! [`ReplayGuard`]: sealmq_crypto_core::ReplayGuard

mod call;
mod client;
mod collecting;
mod config;
mod dek_rows;
mod dek_store;
mod error;
mod jobs;
mod kek_rows;
mod kek_status;
mod keks;
mod lifecycle;
mod login;
mod master_key;
mod master_source;
mod migration;
mod replay;
mod replay_rows;
mod rewrap;
mod rewrap_deks;
mod rewrap_keks;
#[cfg(test)]
mod rewrap_memory;
mod schema;
mod service;
mod transaction;
mod wrap;

pub use client::PostgresClient;
pub use config::PostgresConfig;
pub use dek_store::PostgresDekStore;
pub use kek_status::KekStatus;
pub use lifecycle::KekRecord;
pub use master_key::{MasterKey, MasterKeys};
pub use migration::{grants, migrate, schema_version};
pub use replay::{PostgresReplayGuard, ReplayInTransaction};
pub use replay_rows::CommitOutcome;
pub use rewrap::{RewrapOptions, RewrapProgress};
pub use sealmq_tls::{TlsConfig, TlsVersion};
pub use service::{PostgresKeyService, PostgresKeyServiceConfig};
pub use transaction::KeysInTransaction;
