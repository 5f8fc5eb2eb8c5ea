//! Copies: how a message is held back or brought back from the dead-letter queue, which the broker
//! cannot do by itself.

use std::time::{Duration, SystemTime};

use aws_lc_rs::digest;
use fe2o3_amqp::types::messaging::annotations::OwnedKey;
use fe2o3_amqp::types::messaging::{Header, MessageAnnotations, MessageId};
use fe2o3_amqp::types::primitives::SimpleValue;

use crate::sending_link::AmqpMessage;
use crate::wire::decode::{self, Broker, Original, OriginalBody};
use crate::wire::encode::{self, data};
use crate::wire::{COPIES, DEAD_LETTER_DESCRIPTION, DEAD_LETTER_REASON, DELIVERIES, MESSAGE_ID};

/// The longest message id the service takes, in characters.
const MAX_ID: usize = 128;

/// What a copy is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be delivered again after a while. Deliveries count on, and it expires when it would have.
    HoldBack(Duration),
    /// To start over in its queue: deliveries count anew, and it lives as long as a new one.
    Redrive,
}

/// A copy that stands for the message. What was bound to the message, its id above all, stays.
///
/// The id the broker knows it by is derived from the first one and the number of the copy: a copy
/// of it made again, because of a crash before the first was settled, is the same to a queue that
/// drops duplicates.
pub(crate) fn copy(original: &Original, broker: &Broker, purpose: Purpose) -> AmqpMessage {
    let Original { header, annotations, properties, application_properties, body } =
        original.clone();
    let now = SystemTime::now();
    let mut properties = properties;
    let mut stated = application_properties;
    let first_id = stated.0.get(MESSAGE_ID).and_then(decode::text);
    let own_id = properties.message_id.as_ref().map(decode::id_text);
    let id = first_id.or(own_id).unwrap_or_else(|| broker.metadata(None).broker_id);
    let copies = stated.0.get(COPIES).and_then(decode::number).unwrap_or_default() + 1;
    properties.message_id = Some(MessageId::String(derived_id(&id, copies)));
    stated.0.insert(MESSAGE_ID.to_owned(), SimpleValue::String(id));
    stated.0.insert(COPIES.to_owned(), count(copies));

    let full_life = decode::time_to_live(header.as_ref(), &properties);
    properties.absolute_expiry_time = None;
    properties.creation_time = None;
    let (life, held_back_until) = match purpose {
        Purpose::HoldBack(delay) => {
            stated.0.insert(DELIVERIES.to_owned(), count(broker.delivery_count));
            let lived = broker.enqueued_at.and_then(|at| now.duration_since(at).ok());
            let used_up = lived.unwrap_or_default() + delay;
            (full_life.map(|life| life.saturating_sub(used_up)), Some(now + delay))
        }
        Purpose::Redrive => {
            for name in [DELIVERIES, DEAD_LETTER_REASON, DEAD_LETTER_DESCRIPTION] {
                stated.0.shift_remove(name);
            }
            (full_life, None)
        }
    };
    let enqueued_at = held_back_until.unwrap_or(now);
    let expiring = life.map(|life| encode::expiring(life, enqueued_at, &mut properties));
    let header = Header {
        ttl: expiring.and_then(|header| header.ttl),
        delivery_count: 0,
        ..header.unwrap_or_default()
    };
    AmqpMessage {
        header: Some(header),
        delivery_annotations: None,
        message_annotations: kept(annotations, held_back_until),
        properties: Some(properties),
        application_properties: Some(stated),
        body: match body {
            OriginalBody::Data(bytes) => data(bytes.to_vec()),
            OriginalBody::Foreign(body) => *body,
        },
        footer: None,
    }
}

/// The annotations of the sender. Those of the broker, which all begin alike, are not carried on;
/// the keys by which partitions are chosen are the sender's, though they begin like that too.
fn kept(
    annotations: Option<MessageAnnotations>,
    held_back_until: Option<SystemTime>,
) -> Option<MessageAnnotations> {
    let senders = |key: &OwnedKey| match key {
        OwnedKey::Symbol(key) => {
            !key.as_str().starts_with("x-opt-") || key.as_str().ends_with("partition-key")
        }
        OwnedKey::Ulong(_) => true,
    };
    let mut kept = match held_back_until {
        Some(at) => encode::scheduled(at),
        None => MessageAnnotations::builder().build(),
    };
    for (key, value) in annotations.into_iter().flat_map(|annotations| annotations.0) {
        if senders(&key) {
            kept.0.insert(key, value);
        }
    }
    (!kept.0.is_empty()).then_some(kept)
}

/// `<id>;copy=<n>`; of an id too long for that its digest takes the place.
fn derived_id(id: &str, copy: u32) -> String {
    let derived = format!("{id};copy={copy}");
    if derived.chars().count() <= MAX_ID {
        return derived;
    }
    let digest = digest::digest(&digest::SHA256, id.as_bytes());
    format!("{};copy={copy}", decode::hex(digest.as_ref()))
}

fn count(count: u32) -> SimpleValue {
    SimpleValue::Int(i32::try_from(count).unwrap_or(i32::MAX))
}
