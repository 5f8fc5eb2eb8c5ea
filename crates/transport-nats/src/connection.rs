//! A connection that carries no queue, for what else is kept on the server.

use std::fmt;
use std::sync::Arc;

use async_nats::jetstream::Context;
use sealmq_queue_core::TransportError;

use crate::client::Connection;
use crate::config::NatsConfig;
use crate::jetstream;

/// A connection to NATS for something besides queues, such as a replay guard.
///
/// # Contract
/// - Credentials, TLS, timeouts and domain are those of the configuration; names of queues are not
///   used.
/// - A connection that breaks is made again in the background, as that of a transport is.
/// - Clones are the same connection.
#[derive(Clone)]
pub struct NatsConnection {
    connection: Arc<Connection>,
    jetstream: Context,
}

impl NatsConnection {
    /// Connects within the connect timeout of the configuration.
    ///
    /// # Errors
    /// `InvalidInput` before any I/O, `Denied` for refused credentials or certificates,
    /// `Unavailable`.
    pub async fn connect(config: &NatsConfig) -> Result<Self, TransportError> {
        let connection = Connection::open(config).await?;
        let jetstream = jetstream::context(config, connection.client.clone());
        Ok(Self { connection: Arc::new(connection), jetstream })
    }

    /// `JetStream` on this connection.
    pub fn jetstream(&self) -> Context {
        self.jetstream.clone()
    }

    /// Closes the connection. Repeating it is fine.
    ///
    /// # Errors
    /// `Unavailable` when the server could not be told in time.
    pub async fn close(&self) -> Result<(), TransportError> {
        self.connection.close().await
    }
}

impl fmt::Debug for NatsConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsConnection")
            .field("connected", &self.connection.is_connected())
            .finish_non_exhaustive()
    }
}
