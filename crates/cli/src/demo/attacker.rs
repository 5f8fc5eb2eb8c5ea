//! The attacker: reads, takes and puts whatever it likes on the broker, without the library.

use std::time::Duration;

use sealmq::memory::{MemoryTransport, StoredMessage};
use sealmq::transport::{SendFailure, Transport as _};
use sealmq::{Message, ReceiverOptions, Source};

use super::stage::{Stage, broken};
use crate::error::CliError;

/// Full access to the broker.
pub(super) struct Attacker {
    broker: MemoryTransport,
}

impl Attacker {
    /// The attacker has a connection of its own.
    pub(super) fn new(stage: &Stage) -> Self {
        Self { broker: stage.broker.connect_again() }
    }

    /// Takes the one message off a queue.
    pub(super) async fn take(&self, queue: &str) -> Result<Message, CliError> {
        let receiver = self.broker.open(&Source::queue(queue), ReceiverOptions::default()).await;
        let taken = receiver.map_err(broken)?.recv(1, Duration::ZERO).await.map_err(broken)?;
        let delivery = taken.into_iter().next().ok_or_else(|| broken("nothing to take"))?;
        delivery.receipt.complete().await.map_err(|failed| broken(failed.error))?;
        Ok(delivery.message)
    }

    /// Puts a message on a queue, as it is.
    pub(super) async fn put(&self, queue: &str, message: Message) -> Result<(), CliError> {
        let report = self.broker.send(queue, vec![message]).await;
        let refused = report.into_iter().find_map(Result::err);
        refused.map_or(Ok(()), |SendFailure { error, .. }| Err(broken(error)))
    }

    /// What is in a queue, and what is in its dead-letter queue.
    pub(super) fn stored(
        &self,
        queue: &str,
    ) -> Result<(Vec<StoredMessage>, Vec<StoredMessage>), CliError> {
        let stored = self.broker.tap(queue).map_err(broken)?;
        Ok(stored.into_iter().partition(|stored| stored.source == Source::queue(queue)))
    }
}
