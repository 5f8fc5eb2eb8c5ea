//! One queue as everything behind the client sees it: what is shared, its names, its receiver.

use std::sync::Arc;
use std::time::Duration;

use sealmq_crypto_core::{Clock, ContextScope, CryptoConfig, CryptoProvider, ReplayGuard};
use sealmq_queue_core::{
    Delivery, Feature, ReceiveMode, Receiver, ReceiverOptions, Source, Transport, TransportError,
    TransportErrorKind,
};
use tokio::sync::Mutex;

use crate::backoff::RetryPolicy;
use crate::clock_base::ClockBase;
use crate::error::{ClientError, ClientErrorKind};
use crate::lifecycle::Lifecycle;
use crate::reservation::Replays;
use crate::telemetry::QueueMetrics;

/// What the clients of all queues of one connection share.
pub(crate) struct Shared {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) crypto: Option<Arc<dyn CryptoProvider>>,
    pub(crate) config: CryptoConfig,
    pub(crate) replay_guard: Option<Arc<dyn ReplayGuard>>,
    pub(crate) retry: RetryPolicy,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) receiver_options: ReceiverOptions,
    pub(crate) settle_rejected: bool,
    pub(crate) environment: Option<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) clock_base: ClockBase,
}

const RECEIVER_CLOSED: ClientErrorKind = ClientErrorKind::Transport(TransportErrorKind::Closed);

/// One queue: its names, its scope, its metrics, its open receiver.
pub(crate) struct QueueContext {
    pub(crate) shared: Arc<Shared>,
    pub(crate) queue: String,
    pub(crate) scope: Arc<ContextScope>,
    pub(crate) metrics: QueueMetrics,
    /// Where nonces are tracked.
    pub(crate) replays: Option<Arc<Replays>>,
    receiver: Mutex<Option<Arc<dyn Receiver>>>,
}

impl QueueContext {
    pub(crate) fn new(
        shared: Arc<Shared>,
        tenant: Option<&str>,
        queue: &str,
        logical_queue: &str,
    ) -> Result<Arc<Self>, ClientError> {
        if queue.is_empty() {
            return Err(ClientError::invalid_input("queue", "is empty"));
        }
        let environment = shared.environment.as_deref();
        let scope = ContextScope::new(environment, tenant, logical_queue)?;
        let metrics = QueueMetrics::new(queue, shared.config.enabled);
        let guard = shared.replay_guard.clone();
        let replays = guard.map(|guard| Replays::of(queue, guard));
        let (queue, scope, receiver) = (queue.to_owned(), Arc::new(scope), Mutex::new(None));
        Ok(Arc::new(Self { shared, queue, scope, metrics, replays, receiver }))
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.shared.lifecycle.is_closed()
    }

    /// Whether nothing is to be received any more.
    pub(crate) fn is_ending(&self) -> bool {
        self.shared.lifecycle.is_ending()
    }

    /// Whether the broker still has what it handed out.
    pub(crate) fn can_give_back(&self) -> bool {
        let Shared { transport, receiver_options, .. } = &*self.shared;
        transport.capabilities().has(Feature::Settlement)
            && receiver_options.mode == ReceiveMode::PeekLock
    }

    /// Receives one batch, still sealed. Cancel-safe, as the transport's own `recv` is.
    pub(crate) async fn receive_sealed(
        &self,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, ClientError> {
        let receive = || async {
            match self.receive_once(max, wait).await {
                // A processor of this client that stopped closed the receiver for all.
                Err(error) if *error.kind() == RECEIVER_CLOSED => {
                    self.receive_once(max, wait).await
                }
                received => received,
            }
        };
        self.shared.retry.run(receive).await
    }

    async fn receive_once(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, ClientError> {
        let ended = || Err(ClientError::closed());
        if self.is_ending() {
            return ended();
        }
        let receiver = self.receiver().await?;
        let received = tokio::select! {
            biased;
            () = self.shared.lifecycle.ending() => return ended(),
            received = receiver.recv(max, wait) => received,
        };
        if received.is_err() {
            self.forget_receiver(&receiver).await;
            if self.is_ending() {
                return ended();
            }
        }
        Ok(received?)
    }

    /// The open receiver; opened on first use and again after an error.
    async fn receiver(&self) -> Result<Arc<dyn Receiver>, TransportError> {
        let mut open = self.receiver.lock().await;
        if let Some(receiver) = &*open {
            return Ok(Arc::clone(receiver));
        }
        let (source, options) = (Source::queue(&*self.queue), self.shared.receiver_options.clone());
        let receiver: Arc<dyn Receiver> =
            Arc::from(self.shared.transport.open(&source, options).await?);
        *open = Some(Arc::clone(&receiver));
        Ok(receiver)
    }

    async fn forget_receiver(&self, failed: &Arc<dyn Receiver>) {
        let mut open = self.receiver.lock().await;
        if open.as_ref().is_some_and(|receiver| Arc::ptr_eq(receiver, failed)) {
            *open = None;
        }
    }

    /// Gives prefetched messages back to the broker; the next receive opens anew.
    pub(crate) async fn release_receiver(&self) -> Result<(), ClientError> {
        let receiver = self.receiver.lock().await.take();
        match receiver {
            Some(receiver) => Ok(receiver.close().await?),
            None => Ok(()),
        }
    }
}
