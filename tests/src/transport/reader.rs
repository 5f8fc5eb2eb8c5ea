//! An open queue of one case, and the ways cases read from it.

use std::sync::Arc;
use std::time::Duration;

use sealmq_queue_core::{
    Delivery, Feature, Message, Receipt, Receiver, Session, Settlement, TransportError,
};
use tokio::time::Instant;

use crate::outcome::{CaseResult, Stop, from_caller};
use crate::transport::Ctx;

/// An open queue.
#[derive(Clone)]
pub struct Reader {
    ctx: Ctx,
    receiver: Arc<dyn Receiver>,
}

impl Reader {
    pub(crate) fn new(ctx: &Ctx, receiver: Box<dyn Receiver>) -> Self {
        Self { ctx: ctx.clone(), receiver: Arc::from(receiver) }
    }

    /// The adapter's receiver.
    pub fn receiver(&self) -> &dyn Receiver {
        self.receiver.as_ref()
    }

    /// The session that is held.
    pub fn session(&self) -> CaseResult<&dyn Session> {
        let session = self.receiver.session();
        session.ok_or_else(|| Stop::broken("the receiver of a session gives the session"))
    }

    /// One call of `recv`, checked not to return too many.
    pub async fn recv(&self, max: usize, wait: Duration) -> CaseResult<Vec<Delivery>> {
        let batch = self.receiver.recv(max, wait).await?;
        let count = batch.len();
        check!(count <= max, "recv({max}) returns at most {max} messages, but returned {count}");
        Ok(batch)
    }

    /// The next message, which must come.
    #[track_caller]
    pub fn one(&self) -> impl Future<Output = CaseResult<Delivery>> {
        from_caller(async { Ok(self.collect(1).await?.remove(0)) })
    }

    /// The next messages, all of which must come.
    #[track_caller]
    pub fn exactly(&self, count: usize) -> impl Future<Output = CaseResult<Vec<Delivery>>> {
        from_caller(self.collect(count))
    }

    async fn collect(&self, count: usize) -> CaseResult<Vec<Delivery>> {
        let start = Instant::now();
        let mut received = Vec::with_capacity(count);
        while received.len() < count {
            let left = self.ctx.timing().patience.saturating_sub(start.elapsed());
            let batch = self.recv(count - received.len(), left).await?;
            let (so_far, none) = (received.len(), batch.is_empty());
            check!(!(none && left.is_zero()), "of {count} messages {so_far} were received");
            received.extend(batch);
        }
        Ok(received)
    }

    /// Nothing must come, because of `why`.
    #[track_caller]
    pub fn nothing(&self, why: &str) -> impl Future<Output = CaseResult> {
        from_caller(self.stay_quiet(why))
    }

    async fn stay_quiet(&self, why: &str) -> CaseResult {
        let batch = self.recv(10, self.ctx.timing().quiet).await?;
        check!(batch.is_empty(), "{why}, but {} more came: {:?}", batch.len(), batch);
        Ok(())
    }

    /// Takes and completes so many messages; no more may come afterwards.
    #[track_caller]
    pub fn take_all(&self, count: usize) -> impl Future<Output = CaseResult<Vec<Message>>> {
        from_caller(self.take_and_complete(count))
    }

    async fn take_and_complete(&self, count: usize) -> CaseResult<Vec<Message>> {
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count {
            let batch = self.recv(100, self.ctx.timing().patience).await?;
            let so_far = taken.len();
            check!(!batch.is_empty(), "of {count} messages {so_far} were received");
            taken.extend(self.complete_all(batch).await?);
        }
        check_eq!(taken.len(), count, "no message is received twice");
        self.stay_quiet("every message was received and completed").await?;
        Ok(taken)
    }

    /// Completes the deliveries in one batch, where there is something to settle.
    pub async fn complete_all(&self, batch: Vec<Delivery>) -> CaseResult<Vec<Message>> {
        let (messages, receipts): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|delivery| (delivery.message, delivery.receipt)).unzip();
        if self.ctx.has(Feature::Settlement) {
            let settlements = with_each(receipts, &Settlement::Complete);
            for result in self.receiver.settle_batch(settlements).await {
                result?;
            }
        }
        Ok(messages)
    }

    /// Completes the delivery, where there is something to settle.
    pub async fn complete(&self, delivery: Delivery) -> CaseResult<Message> {
        Ok(self.complete_all(vec![delivery]).await?.remove(0))
    }

    /// Closes the receiver, and not the connection.
    pub async fn close(&self) -> Result<(), TransportError> {
        self.receiver.close().await
    }
}

/// The same settlement for each receipt.
fn with_each(receipts: Vec<Receipt>, settlement: &Settlement) -> Vec<(Receipt, Settlement)> {
    receipts.into_iter().map(|receipt| (receipt, settlement.clone())).collect()
}
