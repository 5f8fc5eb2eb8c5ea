//! SQS under test: standard queues and FIFO queues, each as a backend.

mod connections;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sealmq_queue_core::{Capabilities, Transport, TransportError};
use sealmq_test_kit::TcpProxy;
use sealmq_transport_sqs::{QueueType, SqsQueueSettings, SqsTransport};

use crate::outcome::CaseResult;
use crate::runner::Time;
use crate::transport::{
    Backend, Connection, Expectations, FaultyProxy, Harness, QueueKind, QueueSpec,
};

use connections::{connect, secrets, server, url};
use trouble::SqsFaultyProxy;

/// How long the service cannot be reached when it is "restarted". It keeps its messages in memory,
/// as the real one never restarts as a whole.
const OUTAGE: Duration = Duration::from_millis(500);

/// The most that a redrive policy allows.
const MANY_DELIVERIES: u32 = 1_000;

/// The server at `SEALMQ_SQS_ENDPOINT`, which is the one of `tests/servers/sqs`.
pub struct SqsBackend {
    name: &'static str,
    queue_type: QueueType,
}

impl SqsBackend {
    /// With standard queues.
    pub fn standard() -> Self {
        Self { name: "sqs", queue_type: QueueType::Standard }
    }

    /// With FIFO queues: ordered groups everywhere.
    pub fn fifo() -> Self {
        Self { name: "sqs-fifo", queue_type: QueueType::Fifo }
    }
}

#[async_trait]
impl Backend for SqsBackend {
    fn name(&self) -> &'static str {
        self.name
    }

    /// The server is a single process of Python, which all cases share.
    fn case_timeout(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn harness(&self, _time: Time) -> CaseResult<Box<dyn Harness>> {
        let proxy = TcpProxy::before(server()).await;
        let admin = connect(self.queue_type, &url(&server())).await?;
        Ok(Box::new(SqsHarness { queue_type: self.queue_type, proxy, admin }))
    }
}

struct SqsHarness {
    queue_type: QueueType,
    /// What the transports of the case connect through.
    proxy: TcpProxy,
    /// Sets queues up, past the proxy.
    admin: SqsTransport,
}

impl SqsHarness {
    fn address(&self, name: &str) -> String {
        match self.queue_type {
            QueueType::Standard => name.to_owned(),
            QueueType::Fifo => format!("{name}.fifo"),
        }
    }
}

#[async_trait]
impl Harness for SqsHarness {
    async fn transport(&self) -> CaseResult<Arc<dyn Transport>> {
        Ok(Arc::new(connect(self.queue_type, &url(&self.proxy.address())).await?))
    }

    async fn create_queue(&self, name: &str, spec: &QueueSpec) -> CaseResult<String> {
        let address = match spec.max_messages {
            None => self.address(name),
            // SQS throttles by rate and not by number; the server does so for queues of this name.
            Some(count) => self.address(&format!("{name}-holds-{count}")),
        };
        let settings = SqsQueueSettings::default()
            .with_visibility_timeout(spec.lock)
            .with_max_receive_count(spec.max_deliveries.unwrap_or(MANY_DELIVERIES));
        self.admin.create_queue(&address, settings).await?;
        Ok(address)
    }

    async fn remove_queue(&self, address: &str) {
        for queue in [address, &self.admin.dead_letter_queue_name(address)] {
            let _ = self.admin.delete_queue(queue).await; // a case may have removed it itself
        }
    }

    fn default_kind(&self) -> QueueKind {
        match self.queue_type {
            QueueType::Standard => QueueKind::Standard,
            QueueType::Fifo => QueueKind::OrderedGroups,
        }
    }

    fn missing_queue(&self) -> CaseResult<String> {
        Ok(self.address(&format!("missing-{}", uuid::Uuid::now_v7().simple())))
    }

    fn expectations(&self, capabilities: &Capabilities) -> Expectations {
        Expectations {
            // A FIFO queue accepts a duplicate as if it were none.
            reports_duplicates: false,
            ..Expectations::declared_by(capabilities)
        }
    }

    fn secrets(&self) -> Vec<String> {
        secrets()
    }

    async fn restart_broker(&self) -> CaseResult {
        self.proxy.cut();
        tokio::time::sleep(OUTAGE).await;
        self.proxy.restore();
        Ok(())
    }

    async fn faulty_proxy(&self) -> CaseResult<Box<dyn FaultyProxy>> {
        Ok(Box::new(SqsFaultyProxy::start(self.queue_type).await))
    }

    async fn connect_as(
        &self,
        connection: Connection,
    ) -> CaseResult<Result<Arc<dyn Transport>, TransportError>> {
        connections::connect_as(self.queue_type, connection).await
    }

    async fn break_dead_letter_queue(&self, address: &str) -> CaseResult {
        self.admin.delete_queue(&self.admin.dead_letter_queue_name(address)).await?;
        Ok(())
    }
}
