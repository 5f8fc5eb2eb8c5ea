//! The Amazon SQS transport of sealmq: standard and FIFO queues.
//!
//! [`SqsTransport`] implements the transport traits over the AWS SDK. A transport works on queues of
//! one [`QueueType`], because standard and FIFO queues promise different things:
//!
//! | | standard | FIFO |
//! | --- | --- | --- |
//! | settlement | sent: a lost lock goes unnoticed | confirmed: a lost lock is an error |
//! | scheduled send | up to 15 minutes | no |
//! | ordered groups, deduplication | no | by session id, by message id over 5 minutes |
//! | dead letters with a reason, delayed retry, longer locks, redrive, depth | yes | yes |
//!
//! ```no_run
//! use std::time::Duration;
//! use sealmq_queue_core::{Message, ReceiverOptions, Source, Transport};
//! use sealmq_transport_sqs::{SqsConfig, SqsTransport};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let transport = SqsTransport::connect(&SqsConfig::new().with_region("eu-central-1")).await?;
//!
//! let report = transport.send("orders", vec![Message::new("opaque bytes")]).await;
//! assert!(report.iter().all(Result::is_ok));
//!
//! let orders = transport.open(&Source::queue("orders"), ReceiverOptions::default()).await?;
//! for delivery in orders.recv(10, Duration::from_secs(20)).await? {
//!     assert_eq!(delivery.message.body, "opaque bytes");
//!     delivery.receipt.complete().await?;
//! }
//! transport.close().await?;
//! # Ok(())
//! # }
//! ```

mod buffer;
mod capabilities;
mod changes;
mod client;
mod config;
mod connection;
mod dead_letter;
mod error;
mod groups;
mod inbox;
mod lane;
mod limits;
mod marker;
mod names;
mod queues;
mod receiver;
mod redrive;
mod sender;
mod settler;
mod time;
mod transport;
mod turn;
mod wire;

pub use config::{QueueType, SqsConfig};
pub use queues::SqsQueueSettings;
pub use sealmq_aws::AwsConnection;
pub use sealmq_tls::{TlsConfig, TlsVersion};
pub use transport::SqsTransport;
