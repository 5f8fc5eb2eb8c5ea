//! Reading a dead-letter queue: inspect, settle, move back.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sealmq_crypto_core::CryptoError;
use sealmq_queue_core::{
    DeadLetterInfo, Delivery, Feature, Message, Receipt, Receiver, ReceiverOptions, Source,
};

use crate::error::ClientError;
use crate::incoming::IncomingMessage;
use crate::queue::QueueContext;

/// The dead-letter queue of one queue.
///
/// Messages are opened with the name of the original queue, whatever their age, and replays are
/// not judged: a dead letter is for inspection. Moving it back brings it before all of that again.
pub struct DeadLetters {
    queue: Arc<QueueContext>,
    receiver: Box<dyn Receiver>,
}

/// A message of a dead-letter queue.
#[derive(Debug)]
pub struct DeadLetter {
    /// The message as it is stored: still sealed.
    pub message: Message,
    /// The message opened, or why it cannot be.
    pub opened: Result<IncomingMessage, CryptoError>,
    /// Why it is here.
    pub info: DeadLetterInfo,
    /// The right to settle it: complete it to discard it, abandon it to leave it there.
    pub receipt: Receipt,
}

impl DeadLetters {
    pub(crate) async fn open(queue: Arc<QueueContext>) -> Result<Self, ClientError> {
        let transport = &queue.shared.transport;
        transport.capabilities().require(Feature::DeadLetter)?;
        let source = Source::dead_letter(&*queue.queue);
        let open = || transport.open(&source, ReceiverOptions::default());
        let receiver = queue.shared.retry.run(open).await?;
        Ok(Self { queue, receiver })
    }

    /// Receives up to `max` dead letters, or none within `wait`.
    ///
    /// # Errors
    /// The transport's.
    pub async fn receive(
        &self,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<DeadLetter>, ClientError> {
        let mut letters = Vec::new();
        let received = self.queue.shared.retry.run(|| self.receiver.recv(max, wait)).await?;
        for Delivery { message, receipt } in received {
            let opened = self.queue.open_for_inspection(message.clone(), &receipt).await;
            let info = receipt.metadata().dead_letter.clone().unwrap_or_default();
            letters.push(DeadLetter { message, opened, info, receipt });
        }
        Ok(letters)
    }

    /// Moves up to `max` messages back to the queue as they are and says how many were moved.
    ///
    /// # Errors
    /// `Unsupported` before any I/O; else the transport's.
    pub async fn redrive(&self, max: usize) -> Result<usize, ClientError> {
        Ok(self.queue.shared.transport.redrive(&self.queue.queue, max).await?)
    }
}

impl fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetters").field("queue", &self.queue.queue).finish_non_exhaustive()
    }
}
