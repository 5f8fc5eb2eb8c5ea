//! Looking at messages without locking them, and taking scheduled ones back.

use fe2o3_amqp::types::primitives::Value;
use sealmq_queue_core::{PeekedMessage, TransportError};

use crate::entity::Entity;
use crate::error;
use crate::hub::Hub;
use crate::management::{Operation, is_condition, sequence_numbers};
use crate::wire;

/// The most messages one request asks for; the broker may give fewer though there are more.
const PAGE: usize = 250;
const MESSAGE_NOT_FOUND: &str = "com.microsoft:message-not-found";

/// "com.microsoft:peek-message", time and again until there are enough or no more.
pub(crate) async fn peek(
    hub: &Hub,
    entity: &Entity,
    mut from: u64,
    max: usize,
) -> Result<Vec<PeekedMessage>, TransportError> {
    let context = format!("peek at {entity}");
    let mut peeked = Vec::new();
    while peeked.len() < max {
        let count = (max - peeked.len()).min(PAGE);
        let fields = vec![
            ("from-sequence-number", Value::Long(from.cast_signed())),
            ("message-count", Value::Int(i32::try_from(count).unwrap_or(i32::MAX))),
        ];
        let operation = Operation::new("peek-message", fields);
        let mut reply = hub.ask(entity, &operation).await?;
        if reply.status == 204 || is_condition(&reply, MESSAGE_NOT_FOUND) {
            break;
        }
        if reply.status != 200 {
            return Err(reply.to_error(&context));
        }
        let page = reply.take_list("messages");
        if page.is_empty() {
            break;
        }
        for entry in page {
            let message = read(entry, entity, &context)?;
            from = message.metadata.sequence_number.unwrap_or(from).saturating_add(1);
            peeked.push(message);
        }
    }
    Ok(peeked)
}

fn read(entry: Value, entity: &Entity, context: &str) -> Result<PeekedMessage, TransportError> {
    let message = match entry {
        Value::Map(mut entry) => entry.swap_remove(&Value::String("message".to_owned())),
        _ => None,
    };
    let Some(Value::Binary(bytes)) = message else {
        return Err(error::unavailable(format!("{context}: the reply has no message")));
    };
    let incoming = wire::decode_bytes(&bytes, entity.is_dead_letter(), context)?;
    let mut metadata = incoming.broker.metadata(None);
    // A message that was looked at was not delivered by that.
    metadata.delivery_count = metadata.delivery_count.saturating_sub(1);
    Ok(PeekedMessage { message: incoming.message, metadata })
}

/// "com.microsoft:cancel-scheduled-message".
pub(crate) async fn cancel_scheduled(
    hub: &Hub,
    entity: &Entity,
    sequence_number: u64,
) -> Result<bool, TransportError> {
    let fields = vec![("sequence-numbers", sequence_numbers(&[sequence_number]))];
    let reply = hub.ask(entity, &Operation::new("cancel-scheduled-message", fields)).await?;
    if is_condition(&reply, MESSAGE_NOT_FOUND) {
        return Ok(false);
    }
    if (200..300).contains(&reply.status) {
        return Ok(true);
    }
    let context = format!("cancel scheduled message {sequence_number} of {entity}");
    Err(reply.to_error(&context))
}
