//! Core NATS under test: at most once, to whoever listens.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use sealmq_queue_core::{Capabilities, Transport, TransportError};
use sealmq_transport_nats::{NatsConfig, NatsCoreTransport};

use super::connections::Servers;
use super::proxy::Proxy;
use super::server::{self, OwnServer, PASSWORD};
use crate::outcome::{CaseResult, Stop};
use crate::runner::Time;
use crate::transport::{
    Backend, Connection, Expectations, FaultyProxy, Harness, QueueKind, QueueSpec, SlowConsumer,
};

/// Core NATS on a server of the test program's own. Its program is `SEALMQ_NATS_SERVER_BIN`.
pub struct CoreBackend(OwnServer);

impl CoreBackend {
    /// The server is started with the first case.
    pub fn new() -> Self {
        Self(OwnServer::new())
    }
}

impl Default for CoreBackend {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Backend for CoreBackend {
    fn name(&self) -> &'static str {
        "nats-core"
    }

    async fn harness(&self, _time: Time) -> CaseResult<Box<dyn Harness>> {
        Ok(Box::new(CoreHarness { port: self.0.port().await?, servers: Servers::default() }))
    }
}

struct CoreHarness {
    port: u16,
    servers: Servers,
}

fn connect(config: NatsConfig) -> BoxFuture<'static, Result<Arc<dyn Transport>, TransportError>> {
    Box::pin(async move { Ok(Arc::new(NatsCoreTransport::connect(&config).await?) as _) })
}

#[async_trait]
impl Harness for CoreHarness {
    async fn transport(&self) -> CaseResult<Arc<dyn Transport>> {
        Ok(connect(server::config(self.port)).await?)
    }

    /// A queue is there while somebody listens to it: there is nothing to make.
    async fn create_queue(&self, name: &str, spec: &QueueSpec) -> CaseResult<String> {
        check_eq!(spec.kind, QueueKind::Standard, "no other kind was declared");
        if spec.max_messages.is_some() {
            return Err(Stop::skip("nothing is stored that could be bounded"));
        }
        Ok(name.to_owned())
    }

    fn expectations(&self, capabilities: &Capabilities) -> Expectations {
        Expectations {
            slow_consumer: SlowConsumer::MayDrop,
            listening_makes_queues: true,
            ..Expectations::declared_by(capabilities)
        }
    }

    fn secrets(&self) -> Vec<String> {
        vec![PASSWORD.to_owned()]
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
}
