//! Keys in an HSM for sealmq, through PKCS#11.
//!
//! [`Pkcs11Service`] is a [`KeyManagementService`]: the KEKs of tenants are AES-256 keys that the
//! token generates and never gives out; it wraps DEKs with AES-GCM.
//!
//! ```no_run
//! use sealmq_crypto_core::{KeyManagementService, TenantId, WrapContext};
//! use sealmq_keys_pkcs11::{Pin, Pkcs11Config, Pkcs11Service, TokenName};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pin = Pin::read("/run/secrets/hsm-pin")?;
//! let token = TokenName::Label("orders".into());
//! let config = Pkcs11Config::new("/usr/lib/softhsm/libsofthsm2.so", token, pin);
//! let hsm = Pkcs11Service::connect(config).await?;
//! let context = WrapContext::new(Some("production"), TenantId::new("acme")?, "orders");
//! let made = hsm.generate_dek(&context).await?;
//! assert!(hsm.decrypt_dek(&made.wrapped, &context).await? == made.dek);
//! # Ok(())
//! # }
//! ```
//!
//! Source: PKCS #11 Specification Version 3.1,
//! <https://docs.oasis-open.org/pkcs11/pkcs11-spec/v3.1/pkcs11-spec-v3.1.html>
//!
//! [`KeyManagementService`]: sealmq_crypto_core::KeyManagementService

mod client;
mod config;
mod error;
mod health;
mod keks;
mod key_label;
mod module;
mod on_token;
mod pin;
mod service;
mod slots;
mod token;
mod wrap;

pub use config::{NonceSource, Pkcs11Config, TokenName};
pub use pin::Pin;
pub use service::Pkcs11Service;
