//! What becomes of a message that is not handed out.

use std::time::Duration;

use sealmq_crypto_core::{CryptoError, CryptoErrorKind};
use sealmq_queue_core::{Certainty, Feature};

use crate::error::asked_by_key_service;
use crate::events;
use crate::incoming::{RejectedMessage, RejectionOutcome};
use crate::outcomes::{Refusal, Unopened, in_hand};
use crate::queue::QueueContext;
use crate::receipt::{FailedSettlement, MessageReceipt};

impl QueueContext {
    /// Counts, reports and settles it.
    pub(crate) async fn reject(&self, unopened: Unopened) -> Box<RejectedMessage> {
        let Unopened { message, receipt, refusal } = unopened;
        let metadata = receipt.receipt.shared_metadata();
        let (error, outcome, receipt) = match refusal {
            Refusal::CompletedBefore => {
                let settled = receipt.complete().await;
                let (outcome, receipt) = outcome_of(settled, RejectionOutcome::CompletedBefore);
                (CryptoError::new(CryptoErrorKind::Replayed), outcome, receipt)
            }
            Refusal::InHand => {
                let deliveries = receipt.metadata().delivery_count;
                let error = in_hand();
                let (outcome, receipt) = self.settle_rejected(&error, receipt, deliveries).await;
                (error, outcome, receipt)
            }
            Refusal::Error(error) => {
                self.metrics.crypto_error(&error);
                events::rejected(&self.subject(&message), &error);
                let deliveries = receipt.metadata().delivery_count;
                let (outcome, receipt) = self.settle_rejected(&error, receipt, deliveries).await;
                (error, outcome, receipt)
            }
        };
        Box::new(RejectedMessage { error, message, metadata, outcome, receipt })
    }

    /// Permanent errors are about the message: it goes to the dead-letter queue as it is.
    /// Retryable ones are not: it goes back, and is held back as after so many attempts.
    pub(crate) async fn settle_rejected(
        &self,
        error: &CryptoError,
        receipt: MessageReceipt,
        attempts: u32,
    ) -> (RejectionOutcome, Option<MessageReceipt>) {
        let capabilities = self.shared.transport.capabilities();
        if !self.shared.settle_rejected || !capabilities.has(Feature::Settlement) {
            return (RejectionOutcome::Unsettled, Some(receipt));
        }
        if error.is_retryable() {
            let delay = match capabilities.has(Feature::DelayedAbandon) {
                true => self.shared.retry.delay_as_asked(attempts, asked_by_key_service(error)),
                false => Duration::ZERO,
            };
            let settled = receipt.abandon(delay).await;
            return outcome_of(settled, RejectionOutcome::Abandoned { delay });
        }
        if !capabilities.has(Feature::DeadLetter) {
            return (RejectionOutcome::Unsettled, Some(receipt));
        }
        let settled = receipt.dead_letter(error.code(), &error.to_string()).await;
        outcome_of(settled, RejectionOutcome::DeadLettered)
    }
}

fn outcome_of(
    settled: Result<Certainty, FailedSettlement>,
    outcome: RejectionOutcome,
) -> (RejectionOutcome, Option<MessageReceipt>) {
    match settled {
        Ok(_) => (outcome, None),
        Err(failed) => {
            tracing::warn!(target: "sealmq", error = %failed.error, "Rejected message not settled");
            (RejectionOutcome::Unsettled, Some(*failed.receipt))
        }
    }
}
