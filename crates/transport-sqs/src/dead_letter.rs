//! Dead letters: copies of messages as they are, with a note on why they were moved.

use std::collections::HashMap;

use aws_sdk_sqs::types::{Message as SqsMessage, MessageSystemAttributeName as SystemAttribute};
use sealmq_queue_core::{DeadLetterInfo, TransportError};

use crate::connection::{Connection, Queue};
use crate::limits::{MAX_ATTRIBUTES, MAX_DESCRIPTION_BYTES, MAX_MESSAGE_BYTES, MAX_REASON_BYTES};
use crate::marker::{self, Marker};
use crate::sender;
use crate::wire::{self, Outgoing};

/// Why a message was moved, in characters that SQS takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    reason: String,
    description: String,
}

impl Note {
    pub(crate) fn new(reason: &str, description: &str) -> Self {
        Self {
            reason: carried(reason, MAX_REASON_BYTES),
            description: carried(description, MAX_DESCRIPTION_BYTES),
        }
    }
}

/// The text as far as it fits, with what SQS refuses replaced.
fn carried(text: &str, max_bytes: usize) -> String {
    let end = text.floor_char_boundary(max_bytes);
    let carried = text[..end].chars().map(|c| if wire::is_carried(c) { c } else { '?' });
    carried.collect()
}

/// What a message of a dead-letter queue says of how it came there; the broker itself, which moves
/// messages that were delivered too often, leaves no note.
pub(crate) fn info(marker: Option<&Marker>) -> DeadLetterInfo {
    let marker = marker.cloned().unwrap_or_default();
    DeadLetterInfo { reason: marker.reason, description: marker.description }
}

/// A copy of a received message for another queue, with this note or without any.
///
/// A FIFO queue would drop a copy under the id it has seen, so the copy goes by an id derived from
/// the broker's own of what is copied: the same when the copy is repeated, another after each move.
/// Our message id stays as it is in the marker.
pub(crate) fn copy(
    received: &SqsMessage,
    note: Option<&Note>,
    why: &str,
) -> Result<Outgoing, TransportError> {
    let body = received.body.clone().unwrap_or_default();
    let mut attributes = received.message_attributes.clone().unwrap_or_default();
    let known = wire::received_marker(received);
    let had_marker = known.is_some();
    let mut marker = known.unwrap_or_default();
    marker.reason = note.map(|note| note.reason.clone());
    marker.description = note.map(|note| note.description.clone());
    if marker == Marker::default() {
        if had_marker {
            attributes.remove(marker::NAME); // it was nothing but a note
        }
    } else {
        let mut noted = attributes.clone();
        noted.insert(marker::NAME.to_owned(), wire::text(marker.encode())?);
        // Of a message that others sent there may be no room left; it is moved all the same.
        if fits(&body, &noted) {
            attributes = noted;
        }
    }
    let system = |name| wire::system_attribute(received, &name).map(str::to_owned);
    let group_id = system(SystemAttribute::MessageGroupId);
    let broker_id = received.message_id.as_deref().unwrap_or_default();
    let deduplication_id =
        system(SystemAttribute::MessageDeduplicationId).map(|_| format!("{broker_id};{why}"));
    Ok(Outgoing { body, attributes, delay_seconds: None, group_id, deduplication_id })
}

fn fits(
    body: &str,
    attributes: &HashMap<String, aws_sdk_sqs::types::MessageAttributeValue>,
) -> bool {
    attributes.len() <= MAX_ATTRIBUTES
        && body.len() + wire::attribute_bytes(attributes) <= MAX_MESSAGE_BYTES
}

/// Sends one copy.
pub(crate) async fn send(
    connection: &Connection,
    queue: &Queue,
    copy: Outgoing,
) -> Result<(), TransportError> {
    let sizes = [copy.bytes()];
    let results = sender::send_all(connection, queue, &sizes, |_| Ok(copy.clone())).await;
    results.into_iter().collect()
}
