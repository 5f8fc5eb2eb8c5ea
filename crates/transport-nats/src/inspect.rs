//! Looking at a queue without receiving from it: its messages, its depth, its schedules.

use std::sync::Arc;
use std::time::SystemTime;

use async_nats::HeaderMap;
use async_nats::Message as NatsMessage;
use async_nats::datetime::parse_rfc3339;
use sealmq_queue_core::{
    DeliveryMetadata, PeekedMessage, Source, TransportError, TransportErrorKind,
};

use crate::jetstream::JetStream;
use crate::layout::Layout;
use crate::pulled::{broker_id, fallback_id};
use crate::wire;

/// Headers that the server adds when it gives a stored message directly.
const SEQUENCE: &str = "Nats-Sequence";
const SUBJECT: &str = "Nats-Subject";
const TIME: &str = "Nats-Time-Stamp";

/// Up to `max` stored messages of a source, locked ones included, from a sequence number on.
///
/// # Errors
/// `NotFound`, `Unsupported` when the stream does not allow it, `Unavailable`.
pub(crate) async fn peek(
    jetstream: &Arc<JetStream>,
    source: &Source,
    from: u64,
    max: usize,
) -> Result<Vec<PeekedMessage>, TransportError> {
    let names = jetstream.names(source.queue_name())?;
    jetstream.ensure(&names).await?;
    let is_dead = matches!(source, Source::DeadLetter(_));
    let (stream, subject) = match is_dead {
        true => (&names.dead_stream, names.dead_subject.clone()),
        false => (&names.stream, jetstream.layout(&names).await?.subjects(&names)),
    };
    let mut peeked = Vec::new();
    let mut from = from;
    while peeked.len() < max {
        let Some(stored) = jetstream.stored(stream, &subject, from).await? else {
            break;
        };
        let message = seen(stream, stored, is_dead)?;
        let Some(next) = message.metadata.sequence_number.and_then(|n| n.checked_add(1)) else {
            break;
        };
        from = next;
        peeked.push(message);
    }
    Ok(peeked)
}

fn seen(stream: &str, stored: NatsMessage, is_dead: bool) -> Result<PeekedMessage, TransportError> {
    let headers = stored.headers.as_ref();
    let sequence = sequence_of(headers).ok_or_else(|| {
        let context = format!("peeking at stream {stream}: an answer without a sequence number");
        TransportError::new(TransportErrorKind::Unavailable, context)
    })?;
    let time = headers.and_then(|headers| headers.get_last(TIME));
    let time = time.and_then(|time| parse_rfc3339(time.as_str()).ok()).map(SystemTime::from);
    let stored_at = time.unwrap_or(SystemTime::UNIX_EPOCH);
    let mut metadata = DeliveryMetadata::new(broker_id(stream, sequence, stored_at));
    metadata.sequence_number = Some(sequence);
    metadata.delivery_count = 0; // the stream does not know: its consumer does
    metadata.enqueued_at = time;
    metadata.dead_letter = is_dead.then(|| wire::dead_letter_info(headers));
    let message = wire::decode(headers, stored.payload, &fallback_id(stream, sequence));
    Ok(PeekedMessage { message, metadata })
}

fn sequence_of(headers: Option<&HeaderMap>) -> Option<u64> {
    headers?.get_last(SEQUENCE)?.as_str().parse().ok()
}

/// How many messages nobody has received yet. Locked and abandoned messages are not counted.
///
/// # Errors
/// `NotFound`, `Unavailable`.
pub(crate) async fn depth(
    jetstream: &Arc<JetStream>,
    source: &Source,
) -> Result<u64, TransportError> {
    let names = jetstream.names(source.queue_name())?;
    jetstream.ensure(&names).await?;
    let stream = match source {
        Source::Queue(_) => &names.stream,
        Source::DeadLetter(_) => &names.dead_stream,
    };
    let first = jetstream.consumer_of(stream).await?;
    let mut pending = first.num_pending;
    for partition in 1..Layout::of(&first.config.metadata).partitions() {
        pending += jetstream.consumer_of_partition(stream, partition).await?.num_pending;
    }
    Ok(pending)
}

/// Takes a message that is held back out of the stream; `false` if it is not held back any more.
///
/// # Errors
/// `NotFound` without the queue, `Unavailable`.
pub(crate) async fn cancel_scheduled(
    jetstream: &Arc<JetStream>,
    queue: &str,
    sequence_number: u64,
) -> Result<bool, TransportError> {
    let names = jetstream.names(queue)?;
    jetstream.ensure(&names).await?;
    // Only what is held back may be deleted: the number could be that of any message by now.
    let held_back = format!("{}.*", names.schedules);
    let stored = jetstream.stored(&names.stream, &held_back, sequence_number).await?;
    let is_held_back = stored.as_ref().is_some_and(|stored| {
        sequence_of(stored.headers.as_ref()) == Some(sequence_number)
            && stored.headers.as_ref().is_some_and(|headers| headers.get(SUBJECT).is_some())
    });
    if !is_held_back {
        return Ok(false);
    }
    let endpoint = format!("STREAM.MSG.DELETE.{}", names.stream);
    let payload = serde_json::json!({ "seq": sequence_number });
    let context = format!("cancelling a message of queue {queue}");
    match jetstream.call::<serde_json::Value>(&endpoint, &payload, &context).await {
        Ok(_) => Ok(true),
        // It became due in between.
        Err(error) if *error.kind() == TransportErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
