//! What headers carry: everything, exactly, and nothing that the server would act upon.

use sealmq_queue_core::{Attributes, TransportErrorKind};

use super::*;

const ROOM: usize = 60_000;

fn there_and_back(message: &Message) -> Message {
    let headers = encode(message, ROOM).unwrap();
    decode(Some(&headers), message.body.clone(), "fallback")
}

#[test]
fn every_field_arrives() {
    let message = Message::with_id("id-1", "body")
        .with_session_id("group.7")
        .with_correlation_id(" led by a space")
        .with_reply_to("answers/größe")
        .with_message_type("")
        .with_content_type("text/plain; charset=utf-8")
        .with_attribute("tenant", "acme");
    assert_eq!(there_and_back(&message), message);
}

#[test]
fn attribute_values_arrive_exactly() {
    let values =
        ["", " ", " a ", "a\tb", "100%25 %0d%0a", "%", "Grüße", "日本語", "a\u{a0}\u{2028}", "🦀"];
    for value in values {
        let message = Message::with_id("id", "").with_attribute("name", value);
        assert_eq!(there_and_back(&message), message, "{value:?}");
    }
}

#[test]
fn attribute_names_arrive_in_their_own_case() {
    let names = ["Trace-Id", "trace-id", "content-type", "Content-Type", "id", "_", "-", "A.b"];
    let mut message = Message::with_id("id", "");
    message.attributes =
        names.iter().map(|name| ((*name).into(), format!("of {name}"))).collect::<Attributes>();
    assert_eq!(there_and_back(&message), message);
}

#[test]
fn attributes_named_like_headers_of_the_server_mean_nothing_to_it() {
    let names = ["Nats-Rollup", "nats-ttl", "NATS-Msg-Id", "Sealmq-Message-Id", "sealmq-x"];
    for name in names {
        let message = Message::with_id("id", "").with_attribute(name, "all");
        let headers = encode(&message, ROOM).unwrap();
        let sent: Vec<String> = headers.iter().map(|(name, _)| name.to_string()).collect();
        let reserved = |name: &String| name.to_ascii_lowercase().starts_with("nats-");
        assert!(!sent.iter().any(reserved), "{sent:?}");
        assert_eq!(there_and_back(&message), message, "{name}");
    }
}

#[test]
fn too_many_bytes_of_headers_are_refused() {
    let message = Message::with_id("id", "").with_attribute("long", "v".repeat(ROOM));
    let error = encode(&message, ROOM).unwrap_err();
    assert_eq!(error.kind(), &TransportErrorKind::InvalidInput { field: "attributes" });
    assert!(!error.to_string().contains("vvv"));
}

#[test]
fn header_bytes_are_those_on_the_wire() {
    let mut headers = HeaderMap::new();
    headers.append("A", "1");
    headers.append("A", "22");
    assert_eq!(header_bytes(&headers), "NATS/1.0\r\nA: 1\r\nA: 22\r\n\r\n".len());
}

#[test]
fn a_message_of_somebody_else_is_taken_as_it_is() {
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", "00-%41");
    headers.insert("Nats-Msg-Id", "theirs");
    headers.append("twice", "first");
    headers.append("twice", "last");
    let message = decode(Some(&headers), "body".into(), "stream/7");
    assert_eq!(message.id, "stream/7");
    let attributes = [("traceparent", "00-%41"), ("twice", "last")];
    assert_eq!(message.attributes, attributes.map(|(n, v)| (n.into(), v.into())).into());
    assert_eq!(decode(None, "body".into(), "stream/8").id, "stream/8");
}

#[test]
fn a_copy_has_no_orders_for_the_server() {
    let mut headers = encode(&Message::with_id("id", "").with_attribute("a", "b"), ROOM).unwrap();
    headers.insert("Nats-Msg-Id", "id");
    headers.insert("Nats-TTL", "60");
    headers.insert("nats-rollup", "all");
    set_dead_letter(&mut headers, "Broken", "twice");
    let copy = copy(Some(&headers), "fallback");
    let mut names: Vec<String> = copy.iter().map(|(name, _)| name.to_string()).collect();
    names.sort();
    assert_eq!(names, ["Sealmq-Message-Id", "a"]);
    assert_eq!(dead_letter_info(Some(&copy)), DeadLetterInfo::default());
}

#[test]
fn reason_and_description_survive_and_are_cut_where_a_character_ends() {
    let mut headers = HeaderMap::new();
    set_dead_letter(&mut headers, "AuthenticationFailed", "see \"operations\",\n3.1 ");
    let info = dead_letter_info(Some(&headers));
    assert_eq!(info.reason.as_deref(), Some("AuthenticationFailed"));
    assert_eq!(info.description.as_deref(), Some("see \"operations\",\n3.1 "));

    set_dead_letter(&mut headers, "r", &"ü".repeat(5_000));
    let description = dead_letter_info(Some(&headers)).description.unwrap();
    assert_eq!(description, "ü".repeat(MOST_DESCRIPTION_BYTES / 2));
    set_dead_letter(&mut headers, "r", &"\n".repeat(5_000));
    let encoded = headers.get(DEAD_LETTER_DESCRIPTION).unwrap();
    assert!(encoded.as_str().len() <= MOST_DESCRIPTION_BYTES);
}
