//! Connections to a broker that hands each message out once and forgets it.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use sealmq_queue_core::{
    Capabilities, Certainty, DeliveryGuarantee, Feature, Message, ReceiveMode, Receiver,
    ReceiverOptions, SendFailure, SendReceipt, SendReport, Source, Transport, TransportError,
    TransportErrorKind, check_batch,
};
use tokio::sync::Notify;

use crate::receiver::SkeletonReceiver;

/// What a server would be.
#[derive(Default)]
pub(crate) struct Broker {
    queues: Mutex<HashMap<String, Arc<Queue>>>,
}

#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) messages: Mutex<VecDeque<Message>>,
    pub(crate) arrived: Notify,
}

impl Broker {
    pub(crate) fn create_queue(&self, name: &str) {
        self.queues.lock().unwrap().insert(name.to_owned(), Arc::default());
    }

    fn queue(&self, name: &str) -> Result<Arc<Queue>, TransportError> {
        let queue = self.queues.lock().unwrap().get(name).cloned();
        queue.ok_or_else(|| {
            TransportError::new(TransportErrorKind::NotFound, format!("queue {name}"))
        })
    }
}

/// One connection.
pub(crate) struct SkeletonTransport {
    broker: Arc<Broker>,
    capabilities: Capabilities,
    closed: Arc<AtomicBool>,
    /// Ends the pending calls of all receivers when the connection is closed.
    closing: Arc<Notify>,
}

impl SkeletonTransport {
    pub(crate) fn connect(broker: &Arc<Broker>) -> Self {
        // Each feature that is added with `with` runs its cases; without it, their refusals.
        let mut capabilities = Capabilities::new("skeleton");
        capabilities.guarantee = DeliveryGuarantee::AtMostOnce;
        capabilities.settlement_certainty = Certainty::Sent;
        capabilities.detects_lost_lock = false;
        capabilities.fences_stale_holder = false;
        capabilities.limits.max_message_bytes = 256 * 1024;
        capabilities.limits.max_attributes = 10;
        let (broker, closed) = (Arc::clone(broker), Arc::default());
        Self { broker, capabilities, closed, closing: Arc::default() }
    }

    fn check_open(&self) -> Result<(), TransportError> {
        match self.closed.load(Ordering::SeqCst) {
            true => Err(TransportError::closed("connection")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Transport for SkeletonTransport {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn send(&self, queue: &str, messages: Vec<Message>) -> SendReport {
        let messages = match check_batch(messages, &self.capabilities) {
            Ok(messages) => messages,
            Err(report) => return report,
        };
        let found = self.check_open().and_then(|()| self.broker.queue(queue));
        let accept = |message: Message| match &found {
            Ok(queue) => {
                queue.messages.lock().unwrap().push_back(message);
                queue.arrived.notify_one();
                Ok(SendReceipt::new(None))
            }
            Err(error) => Err(SendFailure {
                error: TransportError::new(error.kind().clone(), error.to_string()),
                message: Box::new(message),
            }),
        };
        messages.into_iter().map(accept).collect()
    }

    async fn open(
        &self,
        source: &Source,
        options: ReceiverOptions,
    ) -> Result<Box<dyn Receiver>, TransportError> {
        if options.mode == ReceiveMode::PeekLock || options.lock_duration.is_some() {
            self.capabilities.require(Feature::Settlement)?;
        }
        if let Source::DeadLetter(_) = source {
            self.capabilities.require(Feature::DeadLetter)?;
        }
        self.check_open()?;
        let queue = self.broker.queue(source.queue_name())?;
        let (closed, closing) = (Arc::clone(&self.closed), Arc::clone(&self.closing));
        Ok(Box::new(SkeletonReceiver::new(queue, closed, closing)))
    }

    async fn health(&self) -> Result<(), TransportError> {
        self.check_open()
    }

    async fn close(&self) -> Result<(), TransportError> {
        self.closed.store(true, Ordering::SeqCst);
        self.closing.notify_waiters();
        Ok(())
    }
}
