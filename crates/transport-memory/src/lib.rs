//! An in-memory broker for sealmq: every feature of a queue, natively, in one process.
//!
//! [`MemoryTransport`] implements the transport traits for embedded use and for tests: locks that
//! expire, delivery counts, dead-lettering, ordered groups, sessions, deduplication, scheduling,
//! expiry, bounded queues. It runs by an exchangeable [`MemoryClock`], it can imitate the limits
//! and the missing features of another broker, and [`MemoryTransport::tap`] shows what an
//! observer of the broker could read.
//!
//! ```
//! use std::time::Duration;
//! use sealmq_queue_core::{Message, ReceiverOptions, Source, Transport};
//! use sealmq_transport_memory::{MemoryTransport, QueueSettings};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let transport = MemoryTransport::builder()
//!     .queue("orders", QueueSettings::default().with_max_deliveries(3))
//!     .build()?;
//!
//! let report = transport.send("orders", vec![Message::new("opaque bytes")]).await;
//! assert!(report.iter().all(Result::is_ok));
//!
//! let orders = transport.open(&Source::queue("orders"), ReceiverOptions::default()).await?;
//! for delivery in orders.recv(10, Duration::from_secs(1)).await? {
//!     assert_eq!(delivery.message.body, "opaque bytes");
//!     delivery.receipt.complete().await?;
//! }
//! assert!(transport.tap("orders")?.is_empty());
//! # Ok(())
//! # }
//! ```

mod broker;
mod builder;
mod channel;
mod clock;
mod config;
mod deduplication;
mod entries;
mod groups;
mod held_session;
mod lane;
mod queue;
mod receiver;
mod sender;
mod session;
mod settler;
mod shared_queue;
mod store;
mod tap;
mod timers;
mod transport;

#[cfg(test)]
mod tests;

pub use builder::MemoryTransportBuilder;
pub use clock::MemoryClock;
pub use config::{QueueKind, QueueSettings};
pub use tap::{StoredMessage, StoredStatus};
pub use transport::MemoryTransport;
