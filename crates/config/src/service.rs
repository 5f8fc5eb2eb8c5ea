//! What a configuration leads to: one connection, and a client of each queue.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sealmq_client::{ClientError, HealthReport, QueueClient, ShutdownReport};
use tokio::time::timeout;

use crate::document::shown;
use crate::error::ConfigError;
use crate::nearest::unknown;
use crate::opening::Opening;
use crate::queues::Queue;

/// How long closing may take after the client's own.
const CLOSING: Duration = Duration::from_secs(10);

/// The connection of a [`Config`](crate::Config), for all of its queues.
///
/// # Contract
/// - Cheap to clone. The clients of all queues share transport, keys, policy and replay guard.
/// - End it by [`Service::shutdown`] or [`Service::close`]: those of a [`QueueClient`] leave leases
///   to run out by themselves.
/// - A file that names queues names all of them: a slip of the pen is an error, and no other queue.
#[derive(Clone)]
pub struct Service {
    client: QueueClient,
    tenant: Option<String>,
    queues: BTreeMap<String, Queue>,
    opened: Arc<Opening>,
}

impl Service {
    pub(crate) fn new(
        client: QueueClient,
        tenant: Option<String>,
        queues: BTreeMap<String, Queue>,
        opened: Opening,
    ) -> Self {
        Self { client, tenant, queues, opened: Arc::new(opened) }
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

    /// [`QueueClient::shutdown`], of all queues. Afterwards the connection of the replay guard is
    /// closed, users that Vault made of a database are revoked, and so are logins to Vault: for ten
    /// seconds at most. What fails there is logged.
    ///
    /// # Errors
    /// As there.
    pub async fn shutdown(&self, deadline: Duration) -> Result<ShutdownReport, ClientError> {
        let outcome = self.client.shutdown(deadline).await;
        self.close_rest().await;
        outcome
    }

    /// [`QueueClient::close`], of all queues, and what [`Service::shutdown`] does afterwards.
    ///
    /// # Errors
    /// As there.
    pub async fn close(&self) -> Result<(), ClientError> {
        let outcome = self.client.close().await;
        self.close_rest().await;
        outcome
    }

    async fn close_rest(&self) {
        if timeout(CLOSING, self.opened.close()).await.is_err() {
            tracing::warn!(target: "sealmq::config", "closing took too long and was given up");
        }
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("queues", &self.queues).finish_non_exhaustive()
    }
}
