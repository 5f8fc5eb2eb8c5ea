//! The Azure Service Bus transport of sealmq, over AMQP 1.0.
//!
//! [`ServiceBusTransport`] implements the transport traits for queues, topics with subscriptions
//! and sessions: confirmed settlement, lock renewal, native dead-lettering, deferral, scheduling.
//!
//! ```no_run
//! use std::time::Duration;
//! use sealmq_queue_core::{Message, ReceiverOptions, Source, Transport};
//! use sealmq_transport_servicebus::{ServiceBusConfig, ServiceBusTransport};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let transport = ServiceBusTransport::new(ServiceBusConfig::from_env()?)?;
//!
//! let report = transport.send("orders", vec![Message::new("opaque bytes")]).await;
//! assert!(report.iter().all(Result::is_ok));
//!
//! let orders = transport.open(&Source::queue("orders"), ReceiverOptions::default()).await?;
//! for delivery in orders.recv(10, Duration::from_secs(5)).await? {
//!     delivery.receipt.complete().await?;
//! }
//! transport.close().await?;
//! # Ok(())
//! # }
//! ```

mod amqp_error;
mod arrived;
mod backoff;
mod browse;
mod capabilities;
mod channel;
mod claims;
mod config;
mod connection;
mod connection_string;
mod credential;
mod credit;
mod deferred;
mod dial;
mod entity;
mod error;
mod forgetting;
mod hub;
mod inbox;
mod lock_time;
mod management;
mod open;
mod outcome;
mod packing;
mod pump;
mod reattaching;
mod receiver;
mod receiving_link;
mod redrive;
mod removing;
mod request_link;
mod sas;
mod sender;
mod sending_link;
mod session;
mod settler;
mod slots;
mod stopping;
mod transport;
mod wire;

pub use config::ServiceBusConfig;
pub use credential::{AccessToken, Credential, TokenSource};

pub use sealmq_tls::{TlsConfig, TlsVersion};
pub use transport::ServiceBusTransport;
