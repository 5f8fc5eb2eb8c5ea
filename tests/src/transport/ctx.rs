//! What a case holds: a harness, a connection, and queues of its own.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealmq_queue_core::{
    Bytes, Capabilities, Feature, Message, ReceiveMode, ReceiverOptions, Transport,
};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::outcome::{CaseResult, Stop};
use crate::transport::{Expectations, Harness, Queue, QueueKind, QueueSpec, Timing};

/// The surroundings of one case.
#[derive(Clone)]
pub struct Ctx(Arc<Inner>);

struct Inner {
    case: &'static str,
    harness: Box<dyn Harness>,
    transport: Arc<dyn Transport>,
    expectations: Expectations,
    created: Mutex<Vec<String>>,
}

impl Ctx {
    /// Connects to the broker for the case of this name.
    pub(crate) async fn connect(case: &'static str, harness: Box<dyn Harness>) -> CaseResult<Self> {
        let transport = harness.transport().await?;
        let expectations = harness.expectations(transport.capabilities());
        Ok(Self(Arc::new(Inner {
            case,
            harness,
            transport,
            expectations,
            created: Mutex::default(),
        })))
    }

    /// What the backend can be asked for.
    pub fn harness(&self) -> &dyn Harness {
        self.0.harness.as_ref()
    }

    /// The connection of the case.
    pub fn transport(&self) -> &Arc<dyn Transport> {
        &self.0.transport
    }

    /// What the transport says it can do.
    pub fn capabilities(&self) -> &Capabilities {
        self.0.transport.capabilities()
    }

    /// Whether the transport has a feature.
    pub fn has(&self, feature: Feature) -> bool {
        self.capabilities().has(feature)
    }

    /// What the transport promises where transports differ.
    pub fn expectations(&self) -> &Expectations {
        &self.0.expectations
    }

    /// How long things take here.
    pub fn timing(&self) -> Timing {
        self.0.harness.timing()
    }

    /// Another connection to the same broker.
    pub async fn connect_again(&self) -> CaseResult<Arc<dyn Transport>> {
        self.0.harness.transport().await
    }

    /// The spec of a queue for a case that does not care, with a lock that does not run out.
    pub fn spec(&self) -> QueueSpec {
        QueueSpec {
            kind: self.0.harness.default_kind(),
            lock: self.timing().long_lock,
            max_deliveries: None,
            deduplicates: false,
            max_messages: None,
        }
    }

    /// A fresh queue whose locks do not run out during the case.
    pub async fn queue(&self) -> CaseResult<Queue> {
        self.queue_with(self.spec()).await
    }

    /// A fresh queue whose locks run out soon.
    pub async fn short_lock_queue(&self) -> CaseResult<Queue> {
        let lock = self.timing().short_lock;
        self.queue_with(QueueSpec { lock, ..self.spec() }).await
    }

    /// A fresh queue of sessions.
    pub async fn session_queue(&self) -> CaseResult<Queue> {
        let kind = QueueKind::Sessions;
        self.queue_with(QueueSpec { kind, ..self.spec() }).await
    }

    /// A message that the queues of [`Ctx::queue`] accept.
    pub fn message(&self, body: impl Into<Bytes>) -> Message {
        self.0.harness.default_kind().message(body)
    }

    /// A fresh queue of this kind.
    pub async fn queue_with(&self, spec: QueueSpec) -> CaseResult<Queue> {
        let case: String = self.0.case.chars().take(32).collect();
        let id = Uuid::now_v7().simple().to_string();
        let name = format!("{case}-{}", &id[16..]);
        let address = self.0.harness.create_queue(&name, &spec).await?;
        self.0.created.lock().unwrap().push(address.clone());
        Ok(Queue::new(self, address, spec.kind))
    }

    /// The address of a queue that does not exist: what is refused there before `NotFound` was
    /// refused before any I/O.
    pub fn missing_queue(&self) -> CaseResult<String> {
        self.0.harness.missing_queue()
    }

    /// Options that open a queue as far as the transport can: locked if it has locks.
    pub fn options(&self) -> ReceiverOptions {
        let mode = match self.has(Feature::Settlement) {
            true => ReceiveMode::PeekLock,
            false => ReceiveMode::ReceiveAndDelete,
        };
        ReceiverOptions::default().with_mode(mode)
    }

    /// Waits.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Waits until a short lock taken before this call has run out for certain.
    pub async fn outlast_short_lock(&self) {
        let timing = self.timing();
        self.sleep(timing.short_lock + timing.slack).await;
    }

    /// The outcome of `work` and how long it took.
    pub async fn timed<T>(&self, work: impl Future<Output = T>) -> (T, Duration) {
        let start = Instant::now();
        let outcome = work.await;
        (outcome, start.elapsed())
    }

    /// The outcome of `work`, which must come within the patience of the backend.
    #[track_caller]
    pub fn soon<'a, T>(
        &self,
        what: &'a str,
        work: impl Future<Output = T> + 'a,
    ) -> impl Future<Output = CaseResult<T>> + 'a {
        let patience = self.timing().patience;
        let late = Stop::broken(format!("{what} within {patience:?}"));
        async move { timeout(patience, work).await.map_err(|_| late) }
    }

    /// Removes the queues of the case and closes its connection.
    pub(crate) async fn clean_up(&self) {
        let created = std::mem::take(&mut *self.0.created.lock().unwrap());
        for address in created {
            self.0.harness.remove_queue(&address).await;
        }
        let _ = self.0.transport.close().await; // closing has cases of its own
    }
}
