//! Our message in SQS's terms and back: body, attributes, sizes, characters.
//!
//! # Contract
//! - A body is always canonical padded base64 (RFC 4648, section 4); the empty body, which SQS does
//!   not have, is `=`, which is no base64 of anything. There is one form for each body.
//! - Our metadata stands in one attribute, see [`crate::marker`]; the user's attributes stand
//!   beside it as they are, of type `String`.
//! - A message without our marker was not sent by this adapter: its body is handed out as the text
//!   it is, so that queues can be moved over while old senders still run.
//!
//! Sources: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>,
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>

use std::collections::HashMap;

use aws_sdk_sqs::types::{
    Message as SqsMessage, MessageAttributeValue, MessageSystemAttributeName as SystemAttribute,
    SendMessageBatchRequestEntry,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use sealmq_queue_core::{Attributes, Message, TransportError, TransportErrorKind};

use crate::config::QueueType;
use crate::error::unbuildable;
use crate::limits::{MAX_ATTRIBUTES, MAX_MESSAGE_BYTES};
use crate::marker::{self, Marker};
use crate::time::whole_seconds;

/// Attributes that are left for the user beside our marker.
pub(crate) const MAX_USER_ATTRIBUTES: usize = MAX_ATTRIBUTES - 1;

const EMPTY_BODY: &str = "=";
const STRING: &str = "String";

/// What a message weighs beyond its body and [`Message::metadata_bytes`], at most: our marker, the
/// type of each attribute, the empty body.
pub(crate) const MAX_OVERHEAD_BYTES: usize = marker::NAME.len()
    + marker::MAX_OVERHEAD_BYTES
    + (MAX_USER_ATTRIBUTES + 1) * STRING.len()
    + EMPTY_BODY.len();

/// A message as it is sent, with what SQS counts of it.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) body: String,
    pub(crate) attributes: HashMap<String, MessageAttributeValue>,
    pub(crate) delay_seconds: Option<i32>,
    pub(crate) group_id: Option<String>,
    pub(crate) deduplication_id: Option<String>,
}

impl Outgoing {
    /// # Errors
    /// None in practice: the SDK builds values fallibly.
    pub(crate) fn new(message: &Message, queue_type: QueueType) -> Result<Self, TransportError> {
        let mut attributes = HashMap::with_capacity(message.attributes.len() + 1);
        attributes.insert(marker::NAME.to_owned(), text(marker_of(message).encode())?);
        for (name, value) in &message.attributes {
            attributes.insert(name.clone(), text(value.as_str())?);
        }
        let fifo = queue_type == QueueType::Fifo;
        Ok(Self {
            body: encode_body(&message.body),
            attributes,
            delay_seconds: message
                .delay
                .map(|delay| i32::try_from(whole_seconds(delay)).unwrap_or(i32::MAX)),
            group_id: message.session_id.clone().filter(|_| fifo),
            deduplication_id: Some(message.id.clone()).filter(|_| fifo),
        })
    }

    /// Body and attributes, as SQS counts them.
    pub(crate) fn bytes(&self) -> usize {
        self.body.len() + attribute_bytes(&self.attributes)
    }

    pub(crate) fn into_entry(
        self,
        id: String,
    ) -> Result<SendMessageBatchRequestEntry, TransportError> {
        let entry = SendMessageBatchRequestEntry::builder()
            .id(id)
            .message_body(self.body)
            .set_message_attributes(Some(self.attributes))
            .set_delay_seconds(self.delay_seconds)
            .set_message_group_id(self.group_id)
            .set_message_deduplication_id(self.deduplication_id);
        entry.build().map_err(unbuildable)
    }
}

/// An attribute value of type `String`.
pub(crate) fn text(value: impl Into<String>) -> Result<MessageAttributeValue, TransportError> {
    let value = MessageAttributeValue::builder().data_type(STRING).string_value(value);
    value.build().map_err(unbuildable)
}

/// Names, types and values, as SQS counts them.
pub(crate) fn attribute_bytes(attributes: &HashMap<String, MessageAttributeValue>) -> usize {
    let value_bytes = |value: &MessageAttributeValue| {
        value.string_value().map_or(0, str::len)
            + value.binary_value().map_or(0, |blob| blob.as_ref().len())
    };
    attributes
        .iter()
        .map(|(name, value)| name.len() + value.data_type().len() + value_bytes(value))
        .sum()
}

/// The size of a message as SQS counts it, without encoding it.
pub(crate) fn encoded_bytes(message: &Message) -> usize {
    let body = base64::encoded_len(message.body.len(), true).unwrap_or(usize::MAX);
    let user = message.attributes.iter().map(|(k, v)| k.len() + STRING.len() + v.len());
    let marker = marker::NAME.len() + STRING.len() + marker_of(message).encode().len();
    body.max(EMPTY_BODY.len()).saturating_add(user.sum::<usize>() + marker)
}

fn marker_of(message: &Message) -> Marker {
    Marker {
        id: Some(message.id.clone()),
        session_id: message.session_id.clone(),
        correlation_id: message.correlation_id.clone(),
        reply_to: message.reply_to.clone(),
        message_type: message.message_type.clone(),
        content_type: message.content_type.clone(),
        reason: None,
        description: None,
    }
}

/// Checks what [`Message::validate`] does not know of SQS. What AWS refuses is refused here, before
/// any I/O, whatever the server at hand would accept.
///
/// # Errors
/// `InvalidInput`, `TooLarge`.
pub(crate) fn check(message: &Message, queue_type: QueueType) -> Result<(), TransportError> {
    if queue_type == QueueType::Fifo && message.session_id.is_none() {
        let reason = "a FIFO queue needs one for each message: it is the message group";
        return Err(TransportError::invalid_input("session_id", reason));
    }
    let texts = [
        ("correlation_id", &message.correlation_id),
        ("reply_to", &message.reply_to),
        ("message_type", &message.message_type),
        ("content_type", &message.content_type),
    ];
    for (field, value) in texts {
        if value.as_deref().is_some_and(|value| !value.chars().all(is_carried)) {
            return Err(TransportError::invalid_input(field, "holds a character SQS refuses"));
        }
    }
    check_attributes(&message.attributes)?;
    let size_bytes = encoded_bytes(message);
    if size_bytes > MAX_MESSAGE_BYTES {
        let kind = TransportErrorKind::TooLarge { size_bytes, limit_bytes: MAX_MESSAGE_BYTES };
        return Err(TransportError::new(kind, format!("message {}, encoded", message.id)));
    }
    Ok(())
}

fn check_attributes(attributes: &Attributes) -> Result<(), TransportError> {
    for (name, value) in attributes {
        if name == marker::NAME {
            let reason = format!("{name} is the adapter's own");
            return Err(TransportError::invalid_input("attributes", reason));
        }
        if name.starts_with('.') || name.ends_with('.') || name.contains("..") {
            let reason = "SQS refuses names with periods at the ends or in a row";
            return Err(TransportError::invalid_input("attributes", reason));
        }
        if !value.chars().all(is_carried) {
            let reason = format!("value of {name} holds a character SQS refuses");
            return Err(TransportError::invalid_input("attributes", reason));
        }
    }
    Ok(())
}

/// `#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF`
pub(crate) fn is_carried(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

pub(crate) fn encode_body(body: &[u8]) -> String {
    if body.is_empty() { EMPTY_BODY.to_owned() } else { BASE64.encode(body) }
}

/// The body behind its one form; `None` for any other text.
pub(crate) fn decode_body(text: &str) -> Option<Bytes> {
    match text {
        "" => None,
        EMPTY_BODY => Some(Bytes::new()),
        _ => BASE64.decode(text).ok().map(Bytes::from),
    }
}

/// The marker of a received message, if it has a readable one.
pub(crate) fn received_marker(received: &SqsMessage) -> Option<Marker> {
    let attributes = received.message_attributes.as_ref()?;
    Marker::decode(attributes.get(marker::NAME)?.string_value()?)
}

/// A message as it was sent, out of a received one.
///
/// A body that claims to be ours and is not in its one form is handed out as the text it is: it
/// cannot be told apart from a plaintext here, and the client's policy decides.
pub(crate) fn incoming(received: &SqsMessage, marker: Option<Marker>) -> Message {
    let body = received.body.as_deref().unwrap_or_default();
    let as_it_is = || Bytes::copy_from_slice(body.as_bytes());
    let marker = marker.unwrap_or_default();
    let mut message = match marker.id {
        Some(id) => Message::with_id(id, decode_body(body).unwrap_or_else(as_it_is)),
        None => {
            let broker_id = received.message_id.clone().unwrap_or_default();
            Message::with_id(broker_id, as_it_is())
        }
    };
    let group_id = || system_attribute(received, &SystemAttribute::MessageGroupId);
    message.session_id = marker.session_id.or_else(|| group_id().map(str::to_owned));
    message.correlation_id = marker.correlation_id;
    message.reply_to = marker.reply_to;
    message.message_type = marker.message_type;
    message.content_type = marker.content_type;
    let attributes = received.message_attributes.iter().flatten();
    message.attributes = attributes
        .filter(|(name, _)| *name != marker::NAME)
        .filter_map(|(name, value)| Some((name.clone(), value.string_value()?.to_owned())))
        .collect();
    message
}

/// What SQS itself says of a received message.
pub(crate) fn system_attribute<'a>(
    received: &'a SqsMessage,
    name: &SystemAttribute,
) -> Option<&'a str> {
    received.attributes.as_ref()?.get(name).map(String::as_str)
}

#[cfg(test)]
mod tests;
