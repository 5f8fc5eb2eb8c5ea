//! From the broker: a message, what the broker says of it, and what a copy of it would need.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fe2o3_amqp::types::messaging::annotations::OwnedKey;
use fe2o3_amqp::types::messaging::message::DecodeIntoMessage;
use fe2o3_amqp::types::messaging::{
    AmqpValue, ApplicationProperties, Body, Header, MessageAnnotations, MessageId, Properties,
};
use fe2o3_amqp::types::primitives::{SimpleValue, Timestamp, Value};
use sealmq_queue_core::{DeadLetterInfo, DeliveryMetadata, Message, TransportError};
use serde_amqp::read::SliceReader;

use crate::sending_link::AmqpMessage;
use crate::wire::{
    DEAD_LETTER_DESCRIPTION, DEAD_LETTER_REASON, DELIVERIES, ENQUEUED_TIME, LOCK_TOKEN,
    LOCKED_UNTIL, LockToken, MESSAGE_ID, RESERVED, SEQUENCE_NUMBER,
};

/// A message that was received.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) message: Message,
    pub(crate) broker: Broker,
    pub(crate) original: Original,
}

/// What the broker says of a message.
#[derive(Debug, Default)]
pub(crate) struct Broker {
    pub(crate) sequence_number: Option<u64>,
    pub(crate) enqueued_at: Option<SystemTime>,
    pub(crate) locked_until: Option<SystemTime>,
    pub(crate) lock_token: Option<LockToken>,
    pub(crate) delivery_count: u32,
    pub(crate) dead_letter: Option<DeadLetterInfo>,
}

impl Broker {
    /// The metadata of a delivery that is locked for `lock_duration`.
    pub(crate) fn metadata(&self, lock_duration: Option<Duration>) -> DeliveryMetadata {
        let number = self.sequence_number.unwrap_or_default();
        let mut metadata = DeliveryMetadata::new(number.to_string());
        metadata.sequence_number = self.sequence_number;
        metadata.delivery_count = self.delivery_count;
        metadata.enqueued_at = self.enqueued_at;
        metadata.lock_duration = lock_duration;
        metadata.dead_letter.clone_from(&self.dead_letter);
        metadata
    }
}

/// The message as it came, so that a copy of it is one in everything. The body is shared.
#[derive(Debug, Clone)]
pub(crate) struct Original {
    pub(super) header: Option<Header>,
    pub(super) annotations: Option<MessageAnnotations>,
    pub(super) properties: Properties,
    pub(super) application_properties: ApplicationProperties,
    pub(super) body: OriginalBody,
}

#[derive(Debug, Clone)]
pub(super) enum OriginalBody {
    Data(Bytes),
    /// A body no sealmq client sends.
    Foreign(Box<Body<Value>>),
}

/// Reads a message out of the bytes that replies hold it in.
pub(crate) fn decode_bytes(
    bytes: &[u8],
    is_dead_letter: bool,
    context: &str,
) -> Result<Incoming, TransportError> {
    let decoded = Body::<Value>::decode_message_from_reader(SliceReader::new(bytes));
    decoded.map(|message| decode(message, is_dead_letter)).map_err(|error| {
        crate::error::unavailable(format!("{context}: unreadable message")).with_source(error)
    })
}

/// Reads a message. What AMQP can say and a message of ours cannot is turned into text or left out.
pub(crate) fn decode(raw: AmqpMessage, is_dead_letter: bool) -> Incoming {
    let annotations = raw.message_annotations;
    let mut broker = read_annotations(annotations.as_ref());
    let properties = raw.properties.unwrap_or_default();
    let application_properties =
        raw.application_properties.unwrap_or_else(|| ApplicationProperties::builder().build());
    let property = |name: &str| application_properties.0.get(name);

    let failures = raw.header.as_ref().map_or(0, |header| header.delivery_count);
    let earlier = property(DELIVERIES).and_then(number).unwrap_or_default();
    broker.delivery_count = failures.saturating_add(1).saturating_add(earlier);
    if is_dead_letter {
        broker.dead_letter = Some(DeadLetterInfo {
            reason: property(DEAD_LETTER_REASON).and_then(text),
            description: property(DEAD_LETTER_DESCRIPTION).and_then(text),
        });
    }

    let (bytes, body) = read_body(raw.body);
    let stated_id = properties.message_id.as_ref().map(id_text);
    let id = property(MESSAGE_ID).and_then(text).or(stated_id);
    // A message nobody gave an id has one of the queue.
    let id = id.unwrap_or_else(|| broker.sequence_number.unwrap_or_default().to_string());
    let mut message = Message::with_id(id, bytes);
    message.session_id.clone_from(&properties.group_id);
    message.correlation_id = properties.correlation_id.as_ref().map(id_text);
    message.reply_to.clone_from(&properties.reply_to);
    message.message_type.clone_from(&properties.subject);
    message.content_type = properties.content_type.as_ref().map(|symbol| symbol.0.clone());
    message.time_to_live = time_to_live(raw.header.as_ref(), &properties);
    let attributes = application_properties.0.iter();
    let attributes = attributes.filter(|(name, _)| !RESERVED.contains(&name.as_str()));
    message.attributes =
        attributes.filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect();

    let header = raw.header;
    let original = Original { header, annotations, properties, application_properties, body };
    Incoming { message, broker, original }
}

fn read_annotations(annotations: Option<&MessageAnnotations>) -> Broker {
    let mut broker = Broker::default();
    for (key, value) in annotations.iter().flat_map(|annotations| annotations.0.iter()) {
        let OwnedKey::Symbol(key) = key else { continue };
        match (key.as_str(), value) {
            (SEQUENCE_NUMBER, Value::Long(number)) => {
                broker.sequence_number = Some(number.cast_unsigned());
            }
            (ENQUEUED_TIME, Value::Timestamp(at)) => broker.enqueued_at = time(at),
            (LOCKED_UNTIL, Value::Timestamp(at)) => broker.locked_until = time(at),
            (LOCK_TOKEN, Value::Uuid(token)) => {
                broker.lock_token = Some(LockToken::from(token.clone()));
            }
            _ => {}
        }
    }
    broker
}

fn read_body(body: Body<Value>) -> (Bytes, OriginalBody) {
    match body {
        Body::Data(sections) => {
            let mut sections = sections.into_inner();
            let bytes = match sections.len() {
                1 => sections.remove(0).0.into_vec().into(),
                _ => sections.into_iter().flat_map(|section| section.0.into_vec()).collect(),
            };
            (Bytes::clone(&bytes), OriginalBody::Data(bytes))
        }
        foreign => {
            let bytes = match &foreign {
                Body::Value(AmqpValue(Value::Binary(bytes))) => Bytes::copy_from_slice(bytes),
                Body::Value(AmqpValue(Value::String(text))) => {
                    Bytes::copy_from_slice(text.as_bytes())
                }
                Body::Value(AmqpValue(value)) => encoded(value),
                Body::Sequence(sections) => {
                    sections.iter().flat_map(|section| encoded(&section.0)).collect()
                }
                Body::Data(_) | Body::Empty => Bytes::new(),
            };
            (bytes, OriginalBody::Foreign(Box::new(foreign)))
        }
    }
}

/// A value in the encoding of AMQP: bytes, where ours can hold nothing else.
fn encoded<T: serde_amqp::serde::Serialize>(value: &T) -> Bytes {
    serde_amqp::to_vec(value).unwrap_or_default().into()
}

pub(super) fn time_to_live(header: Option<&Header>, properties: &Properties) -> Option<Duration> {
    let ttl = header?.ttl?;
    let stated = match (&properties.creation_time, &properties.absolute_expiry_time) {
        (Some(from), Some(to)) if ttl == u32::MAX => {
            u64::try_from(to.milliseconds().saturating_sub(from.milliseconds())).ok()
        }
        _ => None,
    };
    Some(Duration::from_millis(stated.unwrap_or_else(|| ttl.into())))
}

fn time(at: &Timestamp) -> Option<SystemTime> {
    let milliseconds = u64::try_from(at.milliseconds()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds))
}

pub(super) fn id_text(id: &MessageId) -> String {
    match id {
        MessageId::String(text) => text.clone(),
        MessageId::Ulong(number) => number.to_string(),
        MessageId::Uuid(uuid) => hex(uuid.as_inner()),
        MessageId::Binary(bytes) => hex(bytes),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // writing to a String cannot fail
        hex
    })
}

pub(super) fn number(value: &SimpleValue) -> Option<u32> {
    match value {
        SimpleValue::Int(number) => u32::try_from(*number).ok(),
        SimpleValue::Uint(number) => Some(*number),
        SimpleValue::Long(number) => u32::try_from(*number).ok(),
        _ => None,
    }
}

pub(super) fn text(value: &SimpleValue) -> Option<String> {
    Some(match value {
        SimpleValue::String(text) => text.clone(),
        SimpleValue::Symbol(symbol) => symbol.0.clone(),
        SimpleValue::Bool(value) => value.to_string(),
        SimpleValue::Ubyte(value) => value.to_string(),
        SimpleValue::Ushort(value) => value.to_string(),
        SimpleValue::Uint(value) => value.to_string(),
        SimpleValue::Ulong(value) => value.to_string(),
        SimpleValue::Byte(value) => value.to_string(),
        SimpleValue::Short(value) => value.to_string(),
        SimpleValue::Int(value) => value.to_string(),
        SimpleValue::Long(value) => value.to_string(),
        SimpleValue::Float(value) => value.to_string(),
        SimpleValue::Double(value) => value.to_string(),
        SimpleValue::Char(value) => value.to_string(),
        SimpleValue::Timestamp(value) => value.milliseconds().to_string(),
        SimpleValue::Uuid(value) => hex(value.as_inner()),
        _ => return None,
    })
}
