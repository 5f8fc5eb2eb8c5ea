//! Sending: a batch is checked as a whole, then sent in as few requests as its sizes allow.

use std::ops::Range;

use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;
use futures_util::stream::{self, StreamExt};
use sealmq_queue_core::{
    Message, SendFailure, SendReceipt, SendReport, TransportError, TransportErrorKind, check_batch,
};

use crate::connection::{Connection, Queue};
use crate::error::Call;
use crate::limits::{MAX_BATCH, MAX_MESSAGE_BYTES};
use crate::wire::{self, Outgoing};

/// Requests of one batch that are under way at once; a FIFO queue takes one after the other.
const REQUESTS_AT_ONCE: usize = 8;

/// Sends a batch; nothing is sent if any message is invalid.
pub(crate) async fn send(
    connection: &Connection,
    queue: &str,
    messages: Vec<Message>,
) -> SendReport {
    if messages.is_empty() {
        return Vec::new();
    }
    let messages = match check(connection, messages) {
        Ok(messages) => messages,
        Err(report) => return report,
    };
    let queue = match connection.queue(queue).await {
        Ok(queue) => queue,
        Err(error) => return messages.into_iter().map(|m| failure(m, error.clone())).collect(),
    };
    let sizes: Vec<usize> = messages.iter().map(wire::encoded_bytes).collect();
    let encode = |index: usize| match messages.get(index) {
        Some(message) => Outgoing::new(message, connection.queue_type),
        None => Err(TransportError::invalid_input("batch", "has no such message")),
    };
    let results = send_all(connection, &queue, &sizes, encode).await;
    let report = messages.into_iter().zip(results).map(|(message, result)| match result {
        Ok(()) => Ok(SendReceipt::default()),
        Err(error) => failure(message, error),
    });
    report.collect()
}

fn failure(message: Message, error: TransportError) -> Result<SendReceipt, SendFailure> {
    Err(SendFailure { error, message: Box::new(message) })
}

/// What every transport refuses, then what only SQS does; both refuse the batch as a whole.
fn check(connection: &Connection, messages: Vec<Message>) -> Result<Vec<Message>, SendReport> {
    let messages = check_batch(messages, &connection.capabilities)?;
    let check = |message: &Message| wire::check(message, connection.queue_type).err();
    let errors: Vec<_> = messages.iter().map(check).collect();
    if errors.iter().all(Option::is_none) {
        return Ok(messages);
    }
    let reason = "another message of the batch is invalid, nothing was sent";
    let refuse = |(message, error): (Message, Option<TransportError>)| {
        failure(message, error.unwrap_or_else(|| TransportError::invalid_input("batch", reason)))
    };
    Err(messages.into_iter().zip(errors).map(refuse).collect())
}

/// Sends messages of these sizes, which `encode` makes as they are needed; the results stand in the
/// order of the sizes.
///
/// On a FIFO queue a failure keeps the requests after it from being sent: what comes later in a
/// group must not overtake it.
pub(crate) async fn send_all(
    connection: &Connection,
    queue: &Queue,
    sizes: &[usize],
    encode: impl Fn(usize) -> Result<Outgoing, TransportError>,
) -> Vec<Result<(), TransportError>> {
    let requests = chunks(sizes);
    let mut results = Vec::with_capacity(sizes.len());
    if connection.is_fifo() {
        for range in requests {
            if results.iter().any(Result::is_err) {
                results.extend(range.map(|_| Err(overtaking(queue))));
            } else {
                results.extend(send_chunk(connection, queue, sizes, range, &encode).await);
            }
        }
        return results;
    }
    let sending =
        requests.into_iter().map(|range| send_chunk(connection, queue, sizes, range, &encode));
    let mut sent = stream::iter(sending).buffered(REQUESTS_AT_ONCE);
    while let Some(chunk) = sent.next().await {
        results.extend(chunk);
    }
    results
}

fn overtaking(queue: &Queue) -> TransportError {
    let context =
        format!("sending to queue {}: held back behind a message that failed", queue.name);
    TransportError::new(TransportErrorKind::Unavailable, context)
}

/// Consecutive messages, ten at most and one mebibyte together.
fn chunks(sizes: &[usize]) -> Vec<Range<usize>> {
    let mut chunks = Vec::with_capacity(sizes.len().div_ceil(MAX_BATCH));
    let (mut start, mut bytes) = (0, 0_usize);
    for (index, size) in sizes.iter().enumerate() {
        let full = index - start == MAX_BATCH || bytes.saturating_add(*size) > MAX_MESSAGE_BYTES;
        if full && index > start {
            chunks.push(start..index);
            (start, bytes) = (index, 0);
        }
        bytes = bytes.saturating_add(*size);
    }
    if start < sizes.len() {
        chunks.push(start..sizes.len());
    }
    chunks
}

async fn send_chunk(
    connection: &Connection,
    queue: &Queue,
    sizes: &[usize],
    range: Range<usize>,
    encode: &impl Fn(usize) -> Result<Outgoing, TransportError>,
) -> Vec<Result<(), TransportError>> {
    let count = range.len();
    let bytes = sizes.get(range.clone()).unwrap_or_default().iter().sum();
    let call = Call::new(format!("sending to queue {}", queue.name), "message").of_size(bytes);
    let entries = range.enumerate().map(|(id, index)| encode(index)?.into_entry(id.to_string()));
    let outcome = match entries.collect::<Result<Vec<_>, _>>() {
        Err(error) => Err(error),
        Ok(entries) => {
            let request = connection.sdk.send_message_batch().queue_url(&queue.url);
            let request = request.set_entries(Some(entries)).send();
            request.await.map_err(|error| call.failed(&error))
        }
    };
    match outcome {
        Ok(answer) => (0..count).map(|id| result_of(&call, &answer, &id.to_string())).collect(),
        Err(error) => vec![Err(error); count],
    }
}

fn result_of(call: &Call, answer: &SendMessageBatchOutput, id: &str) -> Result<(), TransportError> {
    if answer.successful().iter().any(|entry| entry.id() == id) {
        return Ok(());
    }
    let failed = answer.failed().iter().find(|entry| entry.id() == id);
    Err(failed.map_or_else(|| call.entry_forgotten(), |entry| call.entry_failed(entry)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_hold_ten_messages_and_a_mebibyte() {
        assert_eq!(chunks(&[]), []);
        assert_eq!(chunks(&[1; 25]), [0..10, 10..20, 20..25]);
        let half = MAX_MESSAGE_BYTES / 2;
        assert_eq!(chunks(&[half, half, 1]), [0..2, 2..3]);
        assert_eq!(chunks(&[half, half + 1]), [0..1, 1..2]);
        assert_eq!(chunks(&[MAX_MESSAGE_BYTES; 2]), [0..1, 1..2]);
    }
}
