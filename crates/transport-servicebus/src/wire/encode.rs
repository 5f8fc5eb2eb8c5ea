//! To the broker: messages, batches of them, and their sizes before anything is sent.

use std::time::{Duration, SystemTime};

use fe2o3_amqp::Sendable;
use fe2o3_amqp::types::messaging::{
    ApplicationProperties, Batch, Body, Data, Header, MessageAnnotations, MessageId, Properties,
};
use fe2o3_amqp::types::primitives::{SimpleValue, Symbol, Timestamp, Value};
use sealmq_queue_core::{Message, TransportError};
use serde_amqp::serde::Serialize;

use crate::sending_link::{AmqpMessage, Outgoing};
use crate::wire::{RESERVED, SCHEDULED_TIME};

/// The format of a transfer that holds several messages ("AMQP 1.0 in Azure Service Bus protocol
/// guide").
const BATCH_FORMAT: u32 = 0x8001_3700;
/// "Service Bus quotas": one application property, and all of them.
const MAX_PROPERTY_BYTES: usize = 32 * 1024;
const MAX_PROPERTIES_BYTES: usize = 64 * 1024;

/// Checks what Service Bus does not carry though other brokers do.
pub(crate) fn check(message: &Message) -> Result<(), TransportError> {
    let refuse = |field, reason: &str| Err(TransportError::invalid_input(field, reason));
    if message.content_type.as_ref().is_some_and(|text| !text.is_ascii()) {
        return refuse("content_type", "must be ASCII");
    }
    let mut total = 0;
    for (name, value) in &message.attributes {
        if RESERVED.contains(&name.as_str()) {
            return refuse("attributes", "holds a name that Service Bus or this adapter uses");
        }
        if value.len() > MAX_PROPERTY_BYTES {
            return refuse("attributes", "a value is at most 32 KiB");
        }
        total += name.len() + value.len();
    }
    if total > MAX_PROPERTIES_BYTES {
        return refuse("attributes", "at most 64 KiB in all");
    }
    Ok(())
}

/// A message to send. A delay counts from now.
pub(crate) fn encode(message: &Message) -> AmqpMessage {
    let now = SystemTime::now();
    let mut properties = Properties {
        message_id: Some(MessageId::String(message.id.clone())),
        subject: message.message_type.clone(),
        reply_to: message.reply_to.clone(),
        correlation_id: message.correlation_id.clone().map(MessageId::String),
        content_type: message.content_type.clone().map(Symbol),
        group_id: message.session_id.clone(),
        ..Properties::new()
    };
    let delay = message.delay.filter(|delay| !delay.is_zero());
    let header = message.time_to_live.map(|time_to_live| {
        let enqueued_at = now + delay.unwrap_or_default();
        expiring(time_to_live, enqueued_at, &mut properties)
    });
    let attributes = message.attributes.iter();
    let attributes =
        attributes.map(|(name, value)| (name.clone(), SimpleValue::String(value.clone())));
    AmqpMessage {
        header,
        delivery_annotations: None,
        message_annotations: delay.map(|delay| scheduled(now + delay)),
        properties: Some(properties),
        application_properties: (!message.attributes.is_empty())
            .then(|| ApplicationProperties(attributes.collect())),
        body: data(message.body.to_vec()),
        footer: None,
    }
}

/// A header with this time to live. What it cannot state the properties do.
pub(super) fn expiring(
    time_to_live: Duration,
    enqueued_at: SystemTime,
    properties: &mut Properties,
) -> Header {
    let ttl = u32::try_from(time_to_live.as_millis()).unwrap_or(u32::MAX);
    if ttl == u32::MAX {
        properties.creation_time = Some(timestamp(enqueued_at));
        let expires_at = enqueued_at.checked_add(time_to_live);
        properties.absolute_expiry_time = expires_at.map(timestamp);
    }
    // A time to live of nothing would be none at all.
    Header { ttl: Some(ttl.max(1)), ..Header::default() }
}

/// The annotation that holds a message back.
pub(super) fn scheduled(at: SystemTime) -> MessageAnnotations {
    MessageAnnotations::builder()
        .insert(Symbol::from(SCHEDULED_TIME), Value::Timestamp(timestamp(at)))
        .build()
}

/// A body of one data section.
pub(super) fn data(bytes: Vec<u8>) -> Body<Value> {
    Body::Data(Batch::new(vec![Data::from(bytes)]))
}

/// Several messages as one transfer. Like other clients it bears the id and the session of its
/// first message, by which partitioned queues choose where it goes.
pub(crate) fn batch(messages: &[AmqpMessage]) -> Result<Outgoing, TransportError> {
    let first = messages.first().and_then(|message| message.properties.as_ref());
    let envelope = first.map(|first| Properties {
        message_id: first.message_id.clone(),
        group_id: first.group_id.clone(),
        ..Properties::new()
    });
    let encoded: Result<Vec<_>, _> = messages.iter().map(encoded_bytes).collect();
    let message = AmqpMessage {
        header: None,
        delivery_annotations: None,
        message_annotations: None,
        properties: envelope,
        application_properties: None,
        body: Body::Data(Batch::new(encoded?.into_iter().map(Data::from).collect::<Vec<_>>())),
        footer: None,
    };
    Ok(Sendable { message, message_format: BATCH_FORMAT, settled: None })
}

/// Bytes of a message on the wire.
pub(crate) fn encoded_size(message: &AmqpMessage) -> Result<usize, TransportError> {
    let mut size = 0;
    each_section(message, &mut |section| {
        size += section.size()?;
        Ok(())
    })
    .map_err(not_encodable)?;
    Ok(size)
}

/// A message as it is on the wire.
pub(crate) fn encoded_bytes(message: &AmqpMessage) -> Result<Vec<u8>, TransportError> {
    let mut bytes = Vec::new();
    each_section(message, &mut |section| {
        bytes.append(&mut section.bytes()?);
        Ok(())
    })
    .map_err(not_encodable)?;
    Ok(bytes)
}

/// A section of a message: a message is nothing but its sections one after the other.
trait Section {
    fn size(&self) -> Result<usize, serde_amqp::Error>;
    fn bytes(&self) -> Result<Vec<u8>, serde_amqp::Error>;
}

impl<T: Serialize> Section for T {
    fn size(&self) -> Result<usize, serde_amqp::Error> {
        serde_amqp::serialized_size(self)
    }

    fn bytes(&self) -> Result<Vec<u8>, serde_amqp::Error> {
        serde_amqp::to_vec(self)
    }
}

fn each_section(
    message: &AmqpMessage,
    visit: &mut dyn FnMut(&dyn Section) -> Result<(), serde_amqp::Error>,
) -> Result<(), serde_amqp::Error> {
    if let Some(header) = &message.header {
        visit(header)?;
    }
    if let Some(annotations) = &message.message_annotations {
        visit(annotations)?;
    }
    if let Some(properties) = &message.properties {
        visit(properties)?;
    }
    if let Some(properties) = &message.application_properties {
        visit(properties)?;
    }
    match &message.body {
        Body::Data(sections) => sections.iter().try_for_each(|section| visit(section)),
        Body::Sequence(sections) => sections.iter().try_for_each(|section| visit(section)),
        Body::Value(value) => visit(value),
        Body::Empty => Ok(()),
    }
}

fn not_encodable(error: serde_amqp::Error) -> TransportError {
    TransportError::invalid_input("message", "cannot be encoded").with_source(error)
}

/// Milliseconds since 1970.
pub(super) fn timestamp(time: SystemTime) -> Timestamp {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_milliseconds(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
