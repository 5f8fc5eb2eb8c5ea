//! The in-memory broker, which ends with the program.

use std::sync::Arc;

use async_trait::async_trait;
use sealmq::memory::{MemoryTransport, QueueSettings};
use sealmq::{Transport, TransportError};

use super::Broker;

pub(super) struct MemoryBroker(MemoryTransport);

impl MemoryBroker {
    pub(super) fn new() -> Self {
        Self(MemoryTransport::new())
    }
}

#[async_trait]
impl Broker for MemoryBroker {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn describe(&self) -> String {
        "in memory, ends with this program".to_owned()
    }

    async fn connect(&self) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(self.0.connect_again()))
    }

    async fn create_queue(&self, queue: &str) -> Result<(), TransportError> {
        self.0.create_queue(queue, QueueSettings::default())
    }

    async fn remove_queue(&self, _queue: &str) -> Result<(), TransportError> {
        Ok(()) // it goes with the broker
    }

    fn how_to_create(&self, _queue: &str) -> String {
        "leave out --queues".to_owned()
    }
}
