//! Sizes and characters, where the server of the integration tests does not look.

use super::*;

fn message_with(attributes: usize) -> Message {
    let mut message = Message::with_id("i".repeat(128), vec![7; 1_000])
        .with_session_id("s".repeat(128))
        .with_correlation_id("ü".repeat(50))
        .with_reply_to("r")
        .with_message_type("t")
        .with_content_type("y");
    for n in 0..attributes {
        message = message.with_attribute(format!("name-{n}"), "välue");
    }
    message
}

#[test]
fn the_size_is_the_size_of_what_is_sent() {
    for attributes in [0, 1, MAX_USER_ATTRIBUTES] {
        for body in [0, 1, 2, 3, 4, 1_000] {
            let mut message = message_with(attributes);
            message.body = vec![7; body].into();
            let outgoing = Outgoing::new(&message, QueueType::Standard).unwrap();
            assert_eq!(encoded_bytes(&message), outgoing.bytes());
            assert_eq!(outgoing.attributes.len(), attributes + 1);
        }
    }
}

#[test]
fn the_overhead_is_what_the_capabilities_reserve() {
    let message = message_with(MAX_USER_ATTRIBUTES);
    let encoded_body = message.body.len().div_ceil(3) * 4;
    let overhead = encoded_bytes(&message) - encoded_body - message.metadata_bytes();
    assert!(overhead <= MAX_OVERHEAD_BYTES, "{overhead}");
}

#[test]
fn every_body_has_one_form() {
    for length in 0..100 {
        let body: Vec<u8> = (0..length).map(|n: u8| n.wrapping_mul(37)).collect();
        let text = encode_body(&body);
        assert!(!text.is_empty() && text.is_ascii());
        assert_eq!(decode_body(&text).unwrap(), body);
    }
    for text in ["", "==", "A", "AA", "AA=", "AB==", "AA==\n", "A A=", "_w==", "AA==AA=="] {
        assert_eq!(decode_body(text), None, "{text:?}");
    }
}

#[test]
fn only_characters_of_xml_are_carried() {
    let carried = ['\t', '\n', '\r', ' ', '~', '\u{7f}', '\u{d7ff}', '\u{e000}', '\u{fffd}', '🦀'];
    assert!(carried.into_iter().all(is_carried));
    let refused = ['\0', '\u{1}', '\u{8}', '\u{b}', '\u{1f}', '\u{fffe}', '\u{ffff}'];
    assert!(!refused.into_iter().any(is_carried));
}

#[test]
fn a_delay_is_sent_in_whole_seconds_and_none_is_not_zero() {
    use std::time::Duration;
    let seconds = |delay: Option<Duration>| {
        let mut message = Message::new("x");
        message.delay = delay;
        Outgoing::new(&message, QueueType::Standard).unwrap().delay_seconds
    };
    assert_eq!(seconds(None), None, "the queue's own delay");
    assert_eq!(seconds(Some(Duration::ZERO)), Some(0), "no delay");
    assert_eq!(seconds(Some(Duration::from_millis(899_001))), Some(900));
}

#[test]
fn groups_and_deduplication_are_for_fifo_queues() {
    let message = Message::with_id("id-1", "x").with_session_id("s");
    let fifo = Outgoing::new(&message, QueueType::Fifo).unwrap();
    assert_eq!(fifo.group_id.as_deref(), Some("s"));
    assert_eq!(fifo.deduplication_id.as_deref(), Some("id-1"));
    let standard = Outgoing::new(&message, QueueType::Standard).unwrap();
    assert_eq!((standard.group_id, standard.deduplication_id), (None, None));
}
