//! One side of a queue as it was opened: what its receiver and its receipts share.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::types::{Message as SqsMessage, QueueAttributeName as Attribute};
use futures_util::future::join_all;
use sealmq_queue_core::{Certainty, Source, TransportError, TransportErrorKind};
use tokio::sync::OnceCell;

use crate::changes::{Change, Changes};
use crate::connection::{Connection, Queue};
use crate::time::lock_seconds;

/// Where deliveries come from and settlements go to.
pub(crate) struct Lane {
    pub(crate) connection: Arc<Connection>,
    pub(crate) queue: Queue,
    /// Whether it is the dead-letter queue of the queue that was asked for.
    pub(crate) is_dead_letter: bool,
    /// How long deliveries are locked.
    pub(crate) lock: Duration,
    /// The visibility timeout to ask for, where it is not the queue's own.
    pub(crate) visibility_seconds: Option<i32>,
    pub(crate) changes: Arc<Changes>,
    dead_letter_queue: OnceCell<Queue>,
}

impl Lane {
    pub(crate) async fn open(
        connection: &Arc<Connection>,
        source: &Source,
        lock: Option<Duration>,
    ) -> Result<Arc<Self>, TransportError> {
        let visibility_seconds =
            lock.map(|lock| lock_seconds("lock_duration", lock)).transpose()?;
        let queue = connection.queue(source.queue_name()).await?;
        let (queue, is_dead_letter) = match source {
            Source::Queue(_) => (queue, false),
            Source::DeadLetter(_) => (connection.dead_letter_queue(&queue).await?, true),
        };
        let lock = match visibility_seconds {
            Some(seconds) => Duration::from_secs(seconds.unsigned_abs().into()),
            None => visibility_timeout(connection, &queue).await?,
        };
        Ok(Arc::new(Self {
            connection: Arc::clone(connection),
            changes: Changes::new(Arc::clone(connection), queue.clone()),
            queue,
            is_dead_letter,
            lock,
            visibility_seconds,
            dead_letter_queue: OnceCell::new(),
        }))
    }

    /// The queue that dead letters of this one go to, asked for once.
    pub(crate) async fn dead_letter_queue(&self) -> Result<&Queue, TransportError> {
        let find = || self.connection.dead_letter_queue(&self.queue);
        self.dead_letter_queue.get_or_try_init(find).await
    }

    pub(crate) fn certainty(&self) -> Certainty {
        self.connection.capabilities.settlement_certainty
    }

    pub(crate) fn lock_lost(&self) -> TransportError {
        let context = format!("message of queue {}", self.queue.name);
        TransportError::new(TransportErrorKind::LockLost, context)
    }

    /// Makes messages that nobody will settle receivable again.
    pub(crate) async fn give_back(&self, messages: Vec<SqsMessage>) -> Result<(), TransportError> {
        let handles = messages.iter().filter_map(SqsMessage::receipt_handle);
        let giving =
            handles.map(|handle| self.changes.make(handle, Change::Visibility(0), "source"));
        let results = self.changes.together(join_all(giving)).await;
        let error = results.into_iter().filter_map(Result::err);
        // What somebody else holds by now is receivable without us.
        let mut error = error.filter(|error| *error.kind() != TransportErrorKind::LockLost);
        error.next().map_or(Ok(()), Err)
    }

    /// The same in the background.
    pub(crate) fn give_back_later(self: &Arc<Self>, messages: Vec<SqsMessage>) {
        // Without a runtime they come again after their lock.
        if let (false, Ok(runtime)) = (messages.is_empty(), tokio::runtime::Handle::try_current()) {
            let lane = Arc::clone(self);
            runtime.spawn(async move { lane.give_back(messages).await });
        }
    }
}

async fn visibility_timeout(
    connection: &Connection,
    queue: &Queue,
) -> Result<Duration, TransportError> {
    let attributes = connection.attributes(queue, &[Attribute::VisibilityTimeout]).await?;
    let seconds = attributes.get(&Attribute::VisibilityTimeout);
    match seconds.and_then(|seconds| seconds.parse().ok()) {
        Some(seconds @ 1..) => Ok(Duration::from_secs(seconds)),
        _ => {
            let reason = format!(
                "queue {} locks nothing by itself (visibility timeout 0): ask for a lock",
                queue.name
            );
            Err(TransportError::invalid_input("lock_duration", reason))
        }
    }
}
