//! The proxy before the server that fails when a case tells it to.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use sealmq_queue_core::{Transport, TransportError};
use sealmq_test_kit::TcpProxy;
use sealmq_transport_nats::NatsConfig;

use super::server;
use crate::transport::FaultyProxy;

/// How an adapter connects.
pub(super) type Connect =
    fn(NatsConfig) -> BoxFuture<'static, Result<Arc<dyn Transport>, TransportError>>;

/// A proxy, and the adapter that connects through it.
pub(super) struct Proxy {
    proxy: TcpProxy,
    connect: Connect,
}

impl Proxy {
    /// A proxy before the server of the test program.
    pub(super) async fn before(port: u16, connect: Connect) -> Self {
        Self { proxy: TcpProxy::before(format!("127.0.0.1:{port}")).await, connect }
    }
}

#[async_trait]
impl FaultyProxy for Proxy {
    async fn connect(&self) -> Result<Arc<dyn Transport>, TransportError> {
        (self.connect)(server::config(self.proxy.port())).await
    }

    async fn cut(&self) {
        self.proxy.cut();
    }

    async fn restore(&self) {
        self.proxy.restore();
    }

    async fn swallow_next_answer(&self, _address: &str) {
        self.proxy.swallow_next_answer();
    }
}
