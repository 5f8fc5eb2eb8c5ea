//! Key sources without a server: in memory, and in a keyring file.
//!
//! | type | [`KeyProvider`] | [`KeyManagementService`] | for |
//! | --- | --- | --- | --- |
//! | [`MemoryKeyring`] | yes | | tests, or keys that the program gets from elsewhere |
//! | [`MemoryKms`] | | yes | tests: its KEKs end with the process |
//! | [`FileKeyring`] | yes | yes | services of one host, development, backups of keys |
//!
//! A [`FileKeyring`] is there on Unix only: it refuses files that others may read, and knows no
//! other system's permissions.
//!
//! [`KeyProvider`]: sealmq_crypto_core::KeyProvider
//! [`KeyManagementService`]: sealmq_crypto_core::KeyManagementService

mod config;
mod contents;
mod error;
#[cfg(unix)]
mod file;
mod kek_store;
mod memory_keyring;
mod memory_kms;
mod named_keys;
mod passphrase;
mod wrap;

#[cfg(test)]
mod tests;

pub use config::{FileKeyringConfig, PassphraseCost};
#[cfg(unix)]
pub use file::FileKeyring;
pub use memory_keyring::MemoryKeyring;
pub use memory_kms::MemoryKms;
pub use passphrase::Passphrase;
