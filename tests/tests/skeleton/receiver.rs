//! One open queue: hands out what is there, and nothing can be settled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sealmq_queue_core::{
    Certainty, Delivery, DeliveryMetadata, Receipt, Receiver, Settlement, Settler, TransportError,
    new_message_id,
};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::transport::Queue;

pub(crate) struct SkeletonReceiver {
    queue: Arc<Queue>,
    connection_closed: Arc<AtomicBool>,
    connection_closing: Arc<Notify>,
    closed: AtomicBool,
    closing: Notify,
}

impl SkeletonReceiver {
    pub(crate) fn new(
        queue: Arc<Queue>,
        connection_closed: Arc<AtomicBool>,
        connection_closing: Arc<Notify>,
    ) -> Self {
        let (closed, closing) = (AtomicBool::new(false), Notify::new());
        Self { queue, connection_closed, connection_closing, closed, closing }
    }

    fn check_open(&self) -> Result<(), TransportError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(TransportError::closed("receiver"));
        }
        match self.connection_closed.load(Ordering::SeqCst) {
            true => Err(TransportError::closed("connection")),
            false => Ok(()),
        }
    }

    /// Takes what is there, without waiting: a call that is dropped before this has taken nothing.
    fn take(&self, max: usize) -> Vec<Delivery> {
        let mut messages = self.queue.messages.lock().unwrap();
        let count = max.min(messages.len());
        let taken = messages.drain(..count).collect::<Vec<_>>();
        if !messages.is_empty() {
            self.queue.arrived.notify_one(); // one permit stands for however many messages
        }
        let deliver = |message| {
            let metadata = DeliveryMetadata::new(new_message_id());
            Delivery { message, receipt: Receipt::new(metadata, Box::new(Deleted)) }
        };
        taken.into_iter().map(deliver).collect()
    }

    async fn take_first(&self, max: usize) -> Vec<Delivery> {
        loop {
            let taken = self.take(max);
            if !taken.is_empty() {
                return taken;
            }
            self.queue.arrived.notified().await;
        }
    }
}

#[async_trait]
impl Receiver for SkeletonReceiver {
    async fn recv(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, TransportError> {
        let closing = (self.closing.notified(), self.connection_closing.notified());
        self.check_open()?;
        if max == 0 {
            return Ok(Vec::new());
        }
        tokio::select! {
            () = closing.0 => Ok(Vec::new()),
            () = closing.1 => Ok(Vec::new()),
            taken = timeout(wait, self.take_first(max)) => Ok(taken.unwrap_or_default()),
        }
    }

    async fn recv_deferred(
        &self,
        _sequence_number: u64,
    ) -> Result<Option<Delivery>, TransportError> {
        Err(TransportError::unsupported("skeleton", "defer"))
    }

    async fn close(&self) -> Result<(), TransportError> {
        self.closed.store(true, Ordering::SeqCst);
        self.closing.notify_waiters();
        Ok(())
    }
}

/// The other half of a receipt for a message that is gone already.
struct Deleted;

#[async_trait]
impl Settler for Deleted {
    async fn settle(&self, _settlement: Settlement) -> Result<Certainty, TransportError> {
        Err(TransportError::unsupported("skeleton", "settlement"))
    }

    async fn extend(&self, _duration: Duration) -> Result<(), TransportError> {
        Err(TransportError::unsupported("skeleton", "extend lock"))
    }
}
