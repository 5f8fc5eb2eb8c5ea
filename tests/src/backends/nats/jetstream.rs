//! `JetStream` under test: at least once, on disk.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use sealmq_queue_core::{Capabilities, Transport, TransportError};
use sealmq_transport_nats::{NatsConfig, NatsQueueSettings, NatsTransport};

use super::connections::Servers;
use super::proxy::Proxy;
use super::server::{self, OwnServer, PASSWORD};
use crate::outcome::{CaseResult, Stop};
use crate::runner::Time;
use crate::transport::{
    Backend, Connection, Expectations, FaultyProxy, Harness, QueueKind, QueueSpec, StaleHolder,
};

/// `JetStream` on a server of the test program's own. Its program is `SEALMQ_NATS_SERVER_BIN`.
pub struct JetStreamBackend(Arc<OwnServer>);

impl JetStreamBackend {
    /// The server is started with the first case.
    pub fn new() -> Self {
        Self(Arc::new(OwnServer::new()))
    }
}

impl Default for JetStreamBackend {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Backend for JetStreamBackend {
    fn name(&self) -> &'static str {
        "nats-jetstream"
    }

    async fn harness(&self, _time: Time) -> CaseResult<Box<dyn Harness>> {
        let port = self.0.port().await?;
        let admin = NatsTransport::connect(&server::config(port)).await?;
        let server = Arc::clone(&self.0);
        Ok(Box::new(JetStreamHarness { server, port, admin, servers: Servers::default() }))
    }
}

struct JetStreamHarness {
    server: Arc<OwnServer>,
    port: u16,
    /// Makes and removes the queues.
    admin: NatsTransport,
    servers: Servers,
}

fn connect(config: NatsConfig) -> BoxFuture<'static, Result<Arc<dyn Transport>, TransportError>> {
    Box::pin(async move { Ok(Arc::new(NatsTransport::connect(&config).await?) as _) })
}

#[async_trait]
impl Harness for JetStreamHarness {
    async fn transport(&self) -> CaseResult<Arc<dyn Transport>> {
        Ok(connect(server::config(self.port)).await?)
    }

    async fn create_queue(&self, name: &str, spec: &QueueSpec) -> CaseResult<String> {
        let partitions = match spec.kind {
            QueueKind::Standard => None,
            QueueKind::OrderedGroups => Some(8),
            QueueKind::Sessions => return Err(Stop::broken("sessions were not declared")),
        };
        let max_messages = spec.max_messages.map(u32::try_from).transpose();
        let max_messages = max_messages.map_err(|_| Stop::broken("as many as can be counted"))?;
        let settings = NatsQueueSettings::default()
            .with_ack_wait(spec.lock)
            .with_max_deliveries(spec.max_deliveries)
            .with_ordered_groups(partitions)
            .with_max_messages(max_messages);
        // Ids are always remembered for a while: the default window is that of `deduplicates`.
        self.admin.create_queue(name, &settings).await?;
        Ok(name.to_owned())
    }

    async fn remove_queue(&self, address: &str) {
        let _ = self.admin.delete_queue(address).await; // the server ends with the program
    }

    fn expectations(&self, capabilities: &Capabilities) -> Expectations {
        Expectations {
            stale_holder: StaleHolder::Violates,
            exhausted_reason: Some("MaxDeliveryCountExceeded"),
            ..Expectations::declared_by(capabilities)
        }
    }

    fn secrets(&self) -> Vec<String> {
        vec![PASSWORD.to_owned()]
    }

    async fn restart_broker(&self) -> CaseResult {
        self.server.restart().await
    }

    async fn faulty_proxy(&self) -> CaseResult<Box<dyn FaultyProxy>> {
        Ok(Box::new(Proxy::before(self.port, connect).await))
    }

    async fn connect_as(
        &self,
        connection: Connection,
    ) -> CaseResult<Result<Arc<dyn Transport>, TransportError>> {
        Ok(self.servers.connect_as(connection, connect).await)
    }

    async fn break_dead_letter_queue(&self, address: &str) -> CaseResult {
        let (_, dead_letters) = self.admin.stream_names(address)?;
        server::delete_stream(self.port, &dead_letters).await
    }
}
