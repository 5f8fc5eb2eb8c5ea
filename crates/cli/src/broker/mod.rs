//! The brokers that `--transport` chooses from: connections, and queues made and removed.

mod argument;
mod memory;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "servicebus")]
mod servicebus;
#[cfg(feature = "servicebus")]
mod servicebus_admin;
#[cfg(feature = "sqs")]
mod sqs;

use std::sync::Arc;

use async_trait::async_trait;
use sealmq::{Transport, TransportError};

pub(crate) use self::argument::open;

/// A broker that can be connected to any number of times.
#[async_trait]
pub(crate) trait Broker: Send + Sync {
    /// What `--transport` calls it.
    fn kind(&self) -> &'static str;

    /// Which one it is, for people; never with a secret.
    fn describe(&self) -> String;

    /// A further connection.
    ///
    /// # Errors
    /// The transport's.
    async fn connect(&self) -> Result<Arc<dyn Transport>, TransportError>;

    /// Whether queues can be made and removed here, or somebody else has to.
    fn makes_queues(&self) -> bool {
        true
    }

    /// Makes a queue and its dead-letter queue.
    ///
    /// # Errors
    /// The transport's; `Unsupported` if queues cannot be made here.
    async fn create_queue(&self, queue: &str) -> Result<(), TransportError>;

    /// Removes a queue and its dead-letter queue, with all that is in them.
    ///
    /// # Errors
    /// The transport's; `Unsupported` if queues cannot be removed here.
    async fn remove_queue(&self, queue: &str) -> Result<(), TransportError>;

    /// A command that makes a queue the demo can use.
    fn how_to_create(&self, queue: &str) -> String;
}
