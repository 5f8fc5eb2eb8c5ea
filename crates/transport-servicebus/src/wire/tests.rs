//! Messages go to the broker and come back as they were; copies stand for their originals.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fe2o3_amqp::types::messaging::annotations::OwnedKey;
use fe2o3_amqp::types::messaging::{
    AmqpValue, ApplicationProperties, Body, Header, MessageAnnotations, MessageId, Properties,
};
use fe2o3_amqp::types::primitives::{SimpleValue, Symbol, Timestamp, Value};
use sealmq_queue_core::{DeadLetterInfo, Message, TransportErrorKind as Kind};

use super::*;
use crate::sending_link::AmqpMessage;

fn full() -> Message {
    Message::with_id("id-1", (0..=255u8).collect::<Vec<_>>())
        .with_session_id("session-1")
        .with_correlation_id("request-17")
        .with_reply_to("answers")
        .with_message_type("OrderPlaced")
        .with_content_type("application/json")
        .with_attribute("tenant", "acme")
        .with_attribute("umlaut", "Grüße")
        .with_attribute("empty", "")
}

/// What the broker adds when it hands a message out.
fn handed_out(mut message: AmqpMessage, failures: u32) -> AmqpMessage {
    let mut annotations =
        message.message_annotations.take().unwrap_or_else(|| MessageAnnotations::builder().build());
    let mut add = |key: &str, value| annotations.0.insert(OwnedKey::from(Symbol::from(key)), value);
    add(SEQUENCE_NUMBER, Value::Long(42));
    add(ENQUEUED_TIME, Value::Timestamp(Timestamp::from_milliseconds(1_700_000_000_000)));
    add("x-opt-partition-key", Value::String("p".to_owned()));
    message.message_annotations = Some(annotations);
    let header = message.header.take().unwrap_or_default();
    message.header = Some(Header { delivery_count: failures, ..header });
    message
}

fn received(message: &Message, failures: u32) -> Incoming {
    decode(handed_out(encode(message), failures), false)
}

fn app_property<'a>(message: &'a AmqpMessage, name: &str) -> Option<&'a SimpleValue> {
    message.application_properties.as_ref()?.0.get(name)
}

#[test]
fn a_message_comes_back_as_it_was() {
    let sent = full().with_time_to_live(Duration::from_secs(60));
    let incoming = received(&sent, 2);
    assert_eq!(incoming.message, sent);
    assert_eq!(incoming.broker.sequence_number, Some(42));
    assert_eq!(incoming.broker.delivery_count, 3);
    let enqueued_at = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    assert_eq!(incoming.broker.enqueued_at, Some(enqueued_at));
    assert_eq!(incoming.broker.metadata(None).broker_id, "42");
}

#[test]
fn the_bytes_of_a_message_are_read_back_and_counted_right() {
    for sent in [full(), Message::new(""), Message::new(vec![7; 70_000])] {
        let encoded = encode(&sent);
        let bytes = encoded_bytes(&encoded).unwrap();
        assert_eq!(bytes.len(), encoded_size(&encoded).unwrap());
        assert_eq!(decode_bytes(&bytes, false, "test").unwrap().message, sent);
    }
    let error = decode_bytes(b"no message", false, "test").unwrap_err();
    assert_eq!(error.kind(), &Kind::Unavailable);
}

#[test]
fn a_long_life_is_stated_by_its_end() {
    let year = Duration::from_secs(365 * 24 * 3600);
    let sent = Message::new("").with_time_to_live(year);
    let encoded = encode(&sent);
    assert_eq!(encoded.header.as_ref().unwrap().ttl, Some(u32::MAX));
    assert!(encoded.properties.as_ref().unwrap().absolute_expiry_time.is_some());
    assert_eq!(decode(encoded, false).message.time_to_live, Some(year));
}

#[test]
fn a_delay_is_an_annotation() {
    let annotated = |delay| encode(&Message::new("").with_delay(delay)).message_annotations;
    assert_eq!(annotated(Duration::ZERO), None);
    let annotations = annotated(Duration::from_secs(60)).unwrap();
    let Some((_, Value::Timestamp(at))) = annotations.0.iter().next() else {
        panic!("a timestamp");
    };
    let in_a_minute = SystemTime::now() + Duration::from_secs(60);
    let in_a_minute = in_a_minute.duration_since(UNIX_EPOCH).unwrap().as_millis();
    assert!(u128::from(at.milliseconds().cast_unsigned()).abs_diff(in_a_minute) < 10_000);
}

#[test]
fn messages_of_others_are_read_as_far_as_can_be() {
    let mut foreign = handed_out(encode(&Message::new("")), 0);
    foreign.properties = Some(Properties {
        message_id: Some(MessageId::Ulong(7)),
        correlation_id: Some(MessageId::Uuid([0xab; 16].into())),
        ..Properties::new()
    });
    foreign.application_properties = Some(
        ApplicationProperties::builder()
            .insert("count", SimpleValue::Int(-5))
            .insert("yes", SimpleValue::Bool(true))
            .insert("blob", SimpleValue::Binary(vec![1].into()))
            .build(),
    );
    foreign.body = Body::Value(AmqpValue(Value::String("text".to_owned())));
    let message = decode(foreign.clone(), false).message;
    assert_eq!(message.id, "7");
    assert_eq!(message.correlation_id, Some("ab".repeat(16)));
    let attributes: Vec<_> = message.attributes.into_iter().collect();
    let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(attributes, [text("count", "-5"), text("yes", "true")]);
    assert_eq!(message.body, "text");

    foreign.properties = None;
    assert_eq!(decode(foreign, false).message.id, "42", "the queue's own number");
}

#[test]
fn only_dead_letters_have_a_reason() {
    let mut dead = handed_out(encode(&full()), 0);
    let stated = &mut dead.application_properties.as_mut().unwrap().0;
    let text = |text: &str| SimpleValue::String(text.to_owned());
    stated.insert(DEAD_LETTER_REASON.to_owned(), text("Broken"));
    stated.insert(DEAD_LETTER_DESCRIPTION.to_owned(), text("it is"));
    let incoming = decode(dead.clone(), true);
    assert_eq!(incoming.message, full(), "the reason is no attribute");
    let info = DeadLetterInfo { reason: Some("Broken".into()), description: Some("it is".into()) };
    assert_eq!(incoming.broker.dead_letter, Some(info));
    assert_eq!(decode(dead, false).broker.dead_letter, None);
}

#[test]
fn a_message_held_back_counts_on_under_another_id() {
    let sent = full().with_time_to_live(Duration::from_secs(3600));
    let first = received(&sent, 1);
    let minute = Duration::from_secs(60);
    let copied = copy(&first.original, &first.broker, Purpose::HoldBack(minute));
    let id = &copied.properties.as_ref().unwrap().message_id;
    assert_eq!(*id, Some(MessageId::String("id-1;copy=1".into())));
    assert_eq!(app_property(&copied, DELIVERIES), Some(&SimpleValue::Int(2)));
    // It was enqueued in 2023: the hour is over, and a life of nothing would be one without end.
    assert_eq!(copied.header.as_ref().unwrap().ttl, Some(1));

    let second = decode(handed_out(copied, 0), false);
    assert_eq!(second.broker.delivery_count, 3);
    let all_but_life = sent.with_time_to_live(Duration::from_millis(1));
    assert_eq!(second.message, all_but_life);
    let again = copy(&second.original, &second.broker, Purpose::HoldBack(minute));
    let id = &again.properties.as_ref().unwrap().message_id;
    assert_eq!(*id, Some(MessageId::String("id-1;copy=2".into())));
    assert_eq!(app_property(&again, DELIVERIES), Some(&SimpleValue::Int(3)));
}

#[test]
fn a_redriven_message_starts_over() {
    let sent = full().with_time_to_live(Duration::from_secs(3600));
    let mut dead = handed_out(encode(&sent), 9);
    let stated = &mut dead.application_properties.as_mut().unwrap().0;
    stated.insert(DEAD_LETTER_REASON.to_owned(), SimpleValue::String("Broken".into()));
    stated.insert(DELIVERIES.to_owned(), SimpleValue::Int(3));
    let dead = decode(dead, true);
    let copied = copy(&dead.original, &dead.broker, Purpose::Redrive);
    let keys: Vec<_> = copied.message_annotations.as_ref().unwrap().0.keys().collect();
    assert_eq!(keys, [&OwnedKey::from(Symbol::from("x-opt-partition-key"))], "the sender's own");

    let back = decode(handed_out(copied, 0), false);
    assert_eq!(back.message, sent);
    assert_eq!(back.broker.delivery_count, 1);
    assert_eq!(back.broker.dead_letter, None);
}

#[test]
fn the_id_of_a_copy_is_never_too_long() {
    let sent = Message::with_id("i".repeat(128), "");
    let incoming = received(&sent, 0);
    let copied = copy(&incoming.original, &incoming.broker, Purpose::Redrive);
    let Some(MessageId::String(id)) = &copied.properties.as_ref().unwrap().message_id else {
        panic!("an id");
    };
    assert!(id.len() <= 128 && id.ends_with(";copy=1"), "{id}");
    assert_eq!(decode(copied, false).message.id, sent.id);
}

#[test]
fn what_service_bus_does_not_carry_is_refused() {
    check(&full()).unwrap();
    let spoilt = [
        (full().with_content_type("text/größe"), "content_type"),
        (full().with_attribute(MESSAGE_ID, "x"), "attributes"),
        (full().with_attribute(DEAD_LETTER_REASON, "x"), "attributes"),
        (full().with_attribute("big", "v".repeat(32 * 1024 + 1)), "attributes"),
    ];
    for (message, field) in spoilt {
        let error = check(&message).unwrap_err();
        assert!(matches!(error.kind(), Kind::InvalidInput { field: f } if *f == field), "{error}");
    }
}
