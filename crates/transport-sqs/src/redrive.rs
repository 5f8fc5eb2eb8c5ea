//! Moving dead letters back to their queue, counted and as many as asked for.

use std::sync::Arc;

use aws_sdk_sqs::types::Message as SqsMessage;
use futures_util::future::join_all;
use sealmq_queue_core::TransportError;

use crate::changes::{Change, Changes};
use crate::connection::{Connection, Queue};
use crate::dead_letter;
use crate::limits::MAX_BATCH;
use crate::sender;

/// Long enough to ask all of SQS's servers, so that an empty answer means an empty queue.
const WAIT_SECONDS: u32 = 1;

/// How long the dead letters of one step are locked.
const LOCK_SECONDS: i32 = 120;

/// Moves up to `max` messages by copying and deleting them.
///
/// # Errors
/// Only if nothing was moved before: else what was moved is the answer, and the next call fails.
pub(crate) async fn redrive(
    connection: &Arc<Connection>,
    queue: &str,
    max: usize,
) -> Result<usize, TransportError> {
    let queue = connection.queue(queue).await?;
    let dead_letters = connection.dead_letter_queue(&queue).await?;
    let step = Step {
        changes: Changes::new(Arc::clone(connection), dead_letters.clone()),
        connection,
        queue: &queue,
        dead_letters: &dead_letters,
    };
    let mut moved = 0;
    while moved < max {
        let (count, error) = step.run((max - moved).min(MAX_BATCH)).await;
        moved += count;
        match error {
            Some(error) if moved == 0 => return Err(error),
            None if count > 0 => {}
            _ => break,
        }
    }
    Ok(moved)
}

struct Step<'a> {
    connection: &'a Connection,
    changes: Arc<Changes>,
    queue: &'a Queue,
    dead_letters: &'a Queue,
}

impl Step<'_> {
    /// Moves what one receive brings; an error may follow after some were moved.
    async fn run(&self, count: usize) -> (usize, Option<TransportError>) {
        let received =
            self.connection.receive(self.dead_letters, count, WAIT_SECONDS, Some(LOCK_SECONDS));
        let received = match received.await {
            Ok(received) => received,
            Err(error) => return (0, Some(error)),
        };
        let results = self.copy(&received).await;
        let moved = results.iter().filter(|result| result.is_ok()).count();
        let changes = received.iter().zip(&results).filter_map(|(message, result)| {
            let change = if result.is_ok() { Change::Delete } else { Change::Visibility(0) };
            Some(self.changes.make(message.receipt_handle()?, change, "queue"))
        });
        let settled = self.changes.together(join_all(changes)).await;
        let error = results.into_iter().chain(settled).find_map(Result::err);
        (moved, error)
    }

    async fn copy(&self, received: &[SqsMessage]) -> Vec<Result<(), TransportError>> {
        let copies: Result<Vec<_>, _> =
            received.iter().map(|message| dead_letter::copy(message, None, "redrive")).collect();
        let copies = match copies {
            Ok(copies) => copies,
            Err(error) => return vec![Err(error); received.len()],
        };
        let sizes: Vec<usize> = copies.iter().map(|copy| copy.bytes()).collect();
        let encode = |index: usize| {
            let copy = copies.get(index).cloned();
            copy.ok_or_else(|| TransportError::invalid_input("batch", "has no such message"))
        };
        sender::send_all(self.connection, self.queue, &sizes, encode).await
    }
}
