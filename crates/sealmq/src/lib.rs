//! End-to-end encrypted message queues.
//!
//! Message bodies are sealed before they reach the broker and opened after they leave it. Whoever
//! can read or write the queue can neither read a body nor change it, move it to another queue,
//! replay it, or slip a plaintext in.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use sealmq::{CryptoConfig, Message, QueueClient};
//! use sealmq::local::MemoryKeyring;
//! use sealmq::memory::{MemoryTransport, QueueSettings};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let transport = MemoryTransport::new();
//! transport.create_queue("orders", QueueSettings::default())?;
//! let keys = MemoryKeyring::generate("orders-2026-01".parse()?)?;
//!
//! let orders = QueueClient::builder("orders")
//!     .with_transport(Arc::new(transport))
//!     .with_key_provider(Arc::new(keys))
//!     .with_crypto(CryptoConfig::strict())
//!     .with_environment("prod")
//!     .with_tenant("acme")
//!     .build()?;
//!
//! orders.send(Message::new("one teapot").with_message_type("order.created")).await?;
//!
//! for received in orders.receive(10, Duration::from_secs(20)).await? {
//!     let message = received.map_err(|rejected| rejected.error)?;
//!     assert_eq!(message.body().as_ref(), b"one teapot");
//!     message.complete().await?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | feature | brings | module |
//! | --- | --- | --- |
//! | `memory` (default) | an in-memory broker | `sealmq::memory` |
//! | `nats` | NATS: JetStream, and core NATS | `sealmq::nats` |
//! | `sqs` | Amazon SQS, standard and FIFO queues | `sealmq::sqs` |
//! | `servicebus` | Azure Service Bus: queues, and topics with subscriptions | `sealmq::servicebus` |
//! | `local` (default) | keys in memory and in a file | `sealmq::local` |
//! | `vault` | keys in Vault or OpenBao: Transit, KV, Transit as remote crypto; users of a database | `sealmq::vault` |
//! | `aws-kms`, `aws-secrets` | keys in AWS: KMS, Secrets Manager | `sealmq::aws` |
//! | `azure-keyvault` | keys in Azure Key Vault: keys, secrets | `sealmq::azure` |
//! | `postgres` | keys in PostgreSQL, and a replay guard there | `sealmq::postgres` |
//! | `pkcs11` | keys in an HSM | `sealmq::pkcs11` |
//! | `nats-replay` | a replay guard that replicas share, on NATS | `sealmq::nats_replay` |
//! | `config` | all of it from one TOML file | `sealmq::config` |
//! | `aws-lc-rs` (default), `ring`, `rust-crypto` | the library that computes the AEAD | [`AeadBackend`] |
//! | `fips` | `aws-lc-rs` in its validated FIPS module, for [`CryptoConfig::with_fips`] | [`AeadBackend::is_fips`] |
//!
//! A message names the key it was sealed with, so keys rotate while messages are under way: see
//! [`KeyProvider`] and [`KeyManagementService`]. What can never be opened goes to the dead-letter
//! queue, still sealed; what cannot be opened for now goes back. [`CryptoConfig`] says what is
//! accepted, [`QueueClient::process`] runs handlers.

pub use sealmq_client::*;
pub use sealmq_crypto_core::*;
pub use sealmq_queue_core::{
    Attributes, Bytes, Capabilities, Certainty, DeadLetterInfo, DeliveryGuarantee,
    DeliveryMetadata, Feature, Limits, Message, ReceiveMode, ReceiverOptions, SendReceipt,
    SessionSelector, Source, Support, Transport, TransportError, TransportErrorKind,
};

/// Settings by name, which every adapter reads from the environment or from a file.
pub use sealmq_settings as settings;

/// The traits of transports, for those who write an adapter.
pub use sealmq_queue_core as transport;

#[cfg(feature = "config")]
pub use sealmq_config as config;
#[cfg(any(feature = "aws-kms", feature = "aws-secrets"))]
pub use sealmq_keys_aws as aws;
#[cfg(feature = "azure-keyvault")]
pub use sealmq_keys_azure as azure;
#[cfg(feature = "local")]
pub use sealmq_keys_local as local;
#[cfg(feature = "pkcs11")]
pub use sealmq_keys_pkcs11 as pkcs11;
#[cfg(feature = "postgres")]
pub use sealmq_keys_postgres as postgres;
#[cfg(feature = "vault")]
pub use sealmq_keys_vault as vault;
#[cfg(feature = "nats-replay")]
pub use sealmq_replay_nats as nats_replay;
#[cfg(feature = "memory")]
pub use sealmq_transport_memory as memory;
#[cfg(feature = "nats")]
pub use sealmq_transport_nats as nats;
#[cfg(feature = "servicebus")]
pub use sealmq_transport_servicebus as servicebus;
#[cfg(feature = "sqs")]
pub use sealmq_transport_sqs as sqs;
