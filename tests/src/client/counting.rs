//! A transport that counts what the client asks of it, and otherwise gets out of the way.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use sealmq_queue_core::{
    Capabilities, Certainty, Delivery, Message, Receipt, Receiver, ReceiverOptions, SendReport,
    Settlement, Settler, Source, Transport, TransportError, TransportErrorKind,
};
use tokio::time::Instant;

/// When sends and lock extensions were asked for. Clones share the counts.
#[derive(Clone)]
pub(super) struct CountingTransport {
    inner: Arc<dyn Transport>,
    sends: Arc<Mutex<Vec<Instant>>>,
    extensions: Arc<Mutex<Vec<Instant>>>,
}

impl CountingTransport {
    pub(super) fn new(inner: Arc<dyn Transport>) -> Self {
        Self { inner, sends: Arc::default(), extensions: Arc::default() }
    }

    /// When something was to be sent.
    pub(super) fn sends(&self) -> Vec<Instant> {
        self.sends.lock().unwrap().clone()
    }

    /// How often a lock was to be extended.
    pub(super) fn extensions(&self) -> usize {
        self.extensions.lock().unwrap().len()
    }
}

#[async_trait]
impl Transport for CountingTransport {
    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    async fn send(&self, queue: &str, messages: Vec<Message>) -> SendReport {
        self.sends.lock().unwrap().push(Instant::now());
        self.inner.send(queue, messages).await
    }

    async fn open(
        &self,
        source: &Source,
        options: ReceiverOptions,
    ) -> Result<Box<dyn Receiver>, TransportError> {
        let inner = self.inner.open(source, options).await?;
        Ok(Box::new(CountingReceiver { inner, transport: self.clone() }))
    }

    async fn health(&self) -> Result<(), TransportError> {
        self.inner.health().await
    }

    async fn close(&self) -> Result<(), TransportError> {
        self.inner.close().await
    }
}

struct CountingReceiver {
    inner: Box<dyn Receiver>,
    transport: CountingTransport,
}

impl CountingReceiver {
    fn count(&self, Delivery { message, receipt }: Delivery) -> Delivery {
        let metadata = receipt.metadata().clone();
        let (receipt, transport) = (tokio::sync::Mutex::new(Some(receipt)), self.transport.clone());
        let settler = CountingSettler { receipt, transport };
        Delivery { message, receipt: Receipt::new(metadata, Box::new(settler)) }
    }
}

#[async_trait]
impl Receiver for CountingReceiver {
    async fn recv(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, TransportError> {
        let received = self.inner.recv(max, wait).await?;
        Ok(received.into_iter().map(|delivery| self.count(delivery)).collect())
    }

    async fn recv_deferred(
        &self,
        sequence_number: u64,
    ) -> Result<Option<Delivery>, TransportError> {
        let received = self.inner.recv_deferred(sequence_number).await?;
        Ok(received.map(|delivery| self.count(delivery)))
    }

    async fn close(&self) -> Result<(), TransportError> {
        self.inner.close().await
    }
}

struct CountingSettler {
    /// The adapter's receipt, until it is settled.
    receipt: tokio::sync::Mutex<Option<Receipt>>,
    transport: CountingTransport,
}

fn settled_already() -> TransportError {
    TransportError::new(TransportErrorKind::LockLost, "it was settled already")
}

#[async_trait]
impl Settler for CountingSettler {
    async fn settle(&self, settlement: Settlement) -> Result<Certainty, TransportError> {
        let mut held = self.receipt.lock().await;
        let receipt = held.take().ok_or_else(settled_already)?;
        receipt.settle(settlement).await.map_err(|failed| {
            *held = Some(*failed.receipt);
            failed.error
        })
    }

    async fn extend(&self, duration: Duration) -> Result<(), TransportError> {
        self.transport.extensions.lock().unwrap().push(Instant::now());
        let held = self.receipt.lock().await;
        held.as_ref().ok_or_else(settled_already)?.extend(duration).await
    }
}
