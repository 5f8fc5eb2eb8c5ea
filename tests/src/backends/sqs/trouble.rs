//! Proxies before the SQS server that fail when they are told to.

use std::sync::Arc;

use async_trait::async_trait;
use sealmq_queue_core::{Transport, TransportError};
use sealmq_test_kit::{Answer, HttpProxy, TcpProxy};
use sealmq_transport_sqs::QueueType;

use crate::transport::FaultyProxy;

use super::connections::{connect, server};

/// Answers are swallowed by a proxy that understands them, connections cut by one behind it.
pub(super) struct SqsFaultyProxy {
    queue_type: QueueType,
    requests: HttpProxy,
    connections: TcpProxy,
}

impl SqsFaultyProxy {
    pub(super) async fn start(queue_type: QueueType) -> Self {
        let connections = TcpProxy::before(server()).await;
        let requests = HttpProxy::before(connections.address()).await;
        Self { queue_type, requests, connections }
    }
}

#[async_trait]
impl FaultyProxy for SqsFaultyProxy {
    async fn connect(&self) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(connect(self.queue_type, &self.requests.url()).await?))
    }

    async fn cut(&self) {
        self.connections.cut();
    }

    async fn restore(&self) {
        self.connections.restore();
    }

    /// The next request that changes something: looking a queue up has no answer to lose.
    async fn swallow_next_answer(&self, _address: &str) {
        let changes = |request: &sealmq_test_kit::Request| {
            let target = request.header("x-amz-target").unwrap_or_default();
            !target.starts_with("AmazonSQS.Get")
        };
        self.requests.answer(changes, Answer::Swallow);
    }
}
