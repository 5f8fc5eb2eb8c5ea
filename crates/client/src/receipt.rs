//! Settling a message with the broker and with the replay guard.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sealmq_queue_core::{
    Certainty, DeliveryMetadata, Receipt, Settlement, TransportError, TransportErrorKind,
};

use crate::error::{ClientError, asked_by_broker};
use crate::lifecycle::HandedOut;
use crate::queue::QueueContext;
use crate::reservation::ReplayReservation;

/// The right to settle one message, once.
///
/// # Contract
/// - Settling is retried as the client's policy says, marking the nonce included; a settlement
///   that fails gives the receipt back.
/// - `complete` marks the message's nonce first and settles second. After a crash between the
///   two the broker delivers the same copy again, and the client settles it without handing it
///   out.
/// - A receipt that is dropped settles nothing: the lock runs out and the message comes again.
pub struct MessageReceipt {
    pub(crate) receipt: Receipt,
    /// Made when the message has opened and its nonce is asked for.
    reservation: OnceLock<Box<ReplayReservation>>,
    pub(crate) queue: Arc<QueueContext>,
    _handed_out: HandedOut,
}

impl MessageReceipt {
    pub(crate) fn new(queue: Arc<QueueContext>, receipt: Receipt) -> Self {
        let _handed_out = queue.shared.lifecycle.hand_out();
        Self { receipt, reservation: OnceLock::new(), queue, _handed_out }
    }

    /// What is settled at the replay guard together with the message.
    pub(crate) fn reservation(&self) -> &OnceLock<Box<ReplayReservation>> {
        &self.reservation
    }

    /// What the broker says of the delivery.
    pub fn metadata(&self) -> &DeliveryMetadata {
        self.receipt.metadata()
    }

    /// The work is done: the message leaves the queue and will not be accepted again.
    ///
    /// # Errors
    /// `ReplayStore`, or the transport's; the receipt comes back.
    pub async fn complete(self) -> Result<Certainty, FailedSettlement> {
        if let Some(reservation) = self.reservation.get()
            && let Err(error) = self.queue.shared.retry.run(|| reservation.commit()).await
        {
            return Err(FailedSettlement { error, receipt: Box::new(self) });
        }
        self.settle(&Settlement::Complete).await.map(|(certainty, _)| certainty)
    }

    /// Makes the message receivable again after `delay`.
    ///
    /// # Errors
    /// The transport's; the receipt comes back.
    pub async fn abandon(self, delay: Duration) -> Result<Certainty, FailedSettlement> {
        self.give_back(&Settlement::Abandon { delay }).await
    }

    /// Moves the message, still sealed, to the dead-letter queue.
    ///
    /// # Errors
    /// The transport's; the receipt comes back.
    pub async fn dead_letter(
        self,
        reason: &str,
        description: &str,
    ) -> Result<Certainty, FailedSettlement> {
        let (reason, description) = (reason.to_owned(), description.to_owned());
        self.give_back(&Settlement::DeadLetter { reason, description }).await
    }

    /// Sets the message aside, to be received by its sequence number.
    ///
    /// # Errors
    /// The transport's; the receipt comes back.
    pub async fn defer(self) -> Result<Certainty, FailedSettlement> {
        self.give_back(&Settlement::Defer).await
    }

    /// Locks the message for `duration` from now.
    ///
    /// # Errors
    /// `LockLost`, `Unsupported` and what else the transport or the replay store says.
    pub async fn extend(&self, duration: Duration) -> Result<(), ClientError> {
        self.receipt.extend(duration).await?;
        if let Some(reservation) = self.reservation.get() {
            reservation.extend(duration).await?;
        }
        Ok(())
    }

    /// Only who still had the lock releases the nonce: after that it may be another's. In this
    /// process nothing stands in the way of the next delivery before the broker can make it, some
    /// of them under another identity.
    async fn give_back(self, settlement: &Settlement) -> Result<Certainty, FailedSettlement> {
        if let Some(reservation) = self.reservation.get() {
            reservation.let_go();
        }
        let (certainty, reservation) = self.settle(settlement).await?;
        if let Some(reservation) = reservation {
            reservation.release().await;
        }
        Ok(certainty)
    }

    async fn settle(
        mut self,
        settlement: &Settlement,
    ) -> Result<(Certainty, Option<Box<ReplayReservation>>), FailedSettlement> {
        let retry = self.queue.shared.retry.clone();
        let mut attempt = 1;
        loop {
            let asked;
            match self.receipt.settle(settlement.clone()).await {
                Ok(certainty) => return Ok((certainty, self.reservation.into_inner())),
                Err(failed) => {
                    self.receipt = *failed.receipt;
                    asked = asked_by_broker(&failed.error);
                    if !failed.error.is_retryable() || !retry.allows_after(attempt) {
                        self.note_lost_lock(&failed.error);
                        let error = failed.error.into();
                        return Err(FailedSettlement { error, receipt: Box::new(self) });
                    }
                }
            }
            tokio::time::sleep(retry.delay_as_asked(attempt, asked)).await;
            attempt += 1;
        }
    }

    fn note_lost_lock(&self, error: &TransportError) {
        if matches!(error.kind(), TransportErrorKind::LockLost) {
            self.queue.metrics.lock_lost();
        }
    }
}

impl fmt::Debug for MessageReceipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageReceipt").field("metadata", self.metadata()).finish_non_exhaustive()
    }
}

/// A settlement that failed, with the receipt to try again.
#[derive(Debug)]
pub struct FailedSettlement {
    /// Why it failed.
    pub error: ClientError,
    /// The message, not settled as far as the client knows.
    pub receipt: Box<MessageReceipt>,
}

impl fmt::Display for FailedSettlement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the message was not settled")
    }
}

impl std::error::Error for FailedSettlement {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
