//! What a configuration leads to: one connection, and a client of each queue.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use sealmq_client::{ClientError, HealthReport, QueueClient, ShutdownReport};

use crate::document::shown;
use crate::error::ConfigError;
use crate::nearest::unknown;
use crate::queues::Queue;

/// The connection of a [`Config`](crate::Config), for all of its queues.
///
/// # Contract
/// - Cheap to clone. The clients of all queues share transport, keys, policy and replay guard.
/// - A file that names queues names all of them: a slip of the pen is an error, and no other queue.
#[derive(Clone)]
pub struct Service {
    client: QueueClient,
    tenant: Option<String>,
    queues: BTreeMap<String, Queue>,
}

impl Service {
    pub(crate) fn new(
        client: QueueClient,
        tenant: Option<String>,
        queues: BTreeMap<String, Queue>,
    ) -> Self {
        Self { client, tenant, queues }
    }

    /// A client of the queue that the file calls so; of any queue if the file names none.
    ///
    /// # Errors
    /// When the file names other queues, or a name of this one is too long to be bound.
    pub fn queue(&self, name: &str) -> Result<QueueClient, ConfigError> {
        let path = || format!("queues.{}", shown(name));
        let queue = match self.queues.get(name) {
            Some(queue) => queue.clone(),
            None if self.queues.is_empty() => Queue::named(name, self.tenant.as_deref()),
            None => {
                let known: Vec<&str> = self.queues.keys().map(String::as_str).collect();
                return Err(ConfigError::new(path(), unknown("queue", name, known)));
            }
        };
        let Queue { on_broker, logical, tenant } = queue;
        let client = self.client.for_queue_of_tenant(&on_broker, &logical, tenant.as_deref());
        client.map_err(|error| ConfigError::new(path(), "cannot be used").because(error))
    }

    /// [`QueueClient::health`] of the first queue of the file.
    pub async fn health(&self) -> HealthReport {
        match self.queues.keys().next().and_then(|name| self.queue(name).ok()) {
            Some(first) => first.health().await,
            None => self.client.health().await,
        }
    }

    /// [`QueueClient::shutdown`], of all queues.
    ///
    /// # Errors
    /// As there.
    pub async fn shutdown(&self, deadline: Duration) -> Result<ShutdownReport, ClientError> {
        self.client.shutdown(deadline).await
    }

    /// [`QueueClient::close`], of all queues.
    ///
    /// # Errors
    /// As there.
    pub async fn close(&self) -> Result<(), ClientError> {
        self.client.close().await
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("queues", &self.queues).finish_non_exhaustive()
    }
}
