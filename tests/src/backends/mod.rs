//! How the adapters of this repository are set up for the suites, one file each.

#[cfg(feature = "aws")]
pub mod keys_aws;
#[cfg(feature = "azure")]
pub mod keys_azure;
pub mod keys_local;
#[cfg(feature = "pkcs11")]
pub mod keys_pkcs11;
#[cfg(feature = "postgres")]
pub mod keys_postgres;
#[cfg(feature = "vault")]
pub mod keys_vault;
pub mod memory;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "servicebus")]
pub mod servicebus;
#[cfg(feature = "sqs")]
pub mod sqs;
