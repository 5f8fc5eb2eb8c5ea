//! Keys in AWS for sealmq: KMS as key service, Secrets Manager as key store.
//!
//! | type | trait | where the key is | for |
//! | --- | --- | --- | --- |
//! | `AwsKmsService` (feature `kms`) | [`KeyManagementService`] | KEKs never leave KMS; DEKs travel wrapped | many tenants, rotation and shredding per tenant |
//! | `AwsSecretsProvider` (feature `secrets`) | [`KeyProvider`] | versions of one secret | a shared key, fewest calls |
//!
#![cfg_attr(feature = "kms", doc = "```no_run")]
#![cfg_attr(not(feature = "kms"), doc = "```ignore")]
//! use sealmq_crypto_core::{KeyManagementService, TenantId, WrapContext};
//! use sealmq_keys_aws::{AwsKmsConfig, AwsKmsService};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let kms = AwsKmsService::connect(&AwsKmsConfig::shared(["alias/orders"])).await?;
//! let context = WrapContext::new(Some("production"), TenantId::new("acme")?, "orders");
//! let made = kms.generate_dek(&context).await?;
//! assert!(kms.decrypt_dek(&made.wrapped, &context).await? == made.dek);
//! # Ok(())
//! # }
//! ```
//!
//! [`KeyManagementService`]: sealmq_crypto_core::KeyManagementService
//! [`KeyProvider`]: sealmq_crypto_core::KeyProvider

#[cfg(feature = "kms")]
mod alias;
mod client;
mod config;
mod error;
#[cfg(feature = "kms")]
mod health;
#[cfg(feature = "kms")]
mod keys;
#[cfg(feature = "kms")]
mod lifecycle;
#[cfg(feature = "secrets")]
mod provider;
#[cfg(feature = "secrets")]
mod secret_value;
#[cfg(feature = "kms")]
mod service;
#[cfg(feature = "kms")]
mod wrapped;

#[cfg(feature = "secrets")]
pub use config::AwsSecretsConfig;
#[cfg(feature = "kms")]
pub use config::{AwsKmsConfig, KmsKeys};
#[cfg(feature = "secrets")]
pub use provider::AwsSecretsProvider;
pub use sealmq_aws::AwsConnection;
pub use sealmq_tls::{TlsConfig, TlsVersion};
#[cfg(feature = "kms")]
pub use service::AwsKmsService;
