//! What a message is on the wire, and that it comes back as it was.

use aws_sdk_sqs::types::MessageAttributeValue;
use sealmq_queue_core::{Message, Transport, TransportErrorKind};

use crate::support::*;

fn adorned(body: impl Into<sealmq_queue_core::Bytes>) -> Message {
    Message::with_id("id-42", body)
        .with_session_id("session-1")
        .with_correlation_id("request 17, ä")
        .with_reply_to("antworten/ß")
        .with_message_type("OrderPlaced")
        .with_content_type("application/json; charset=utf-8")
        .with_attribute("tenant", "acme")
        .with_attribute("umlaut", " Grüße\t日本語 🦀 e\u{301}\u{e9} \u{2028} ")
        .with_attribute("syntax", "a=b&c;d \"'`\\ %0d{}<x/>1:2")
        .with_attribute("Trace-Id", "upper")
        .with_attribute("trace-id", "lower")
}

#[tokio::test]
async fn a_message_comes_back_with_everything_it_had() {
    let transport = standard().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    let sent = adorned("an order");
    send(&transport, &queue, vec![sent.clone()]).await;
    let delivery = one(&*receiver).await;
    assert_eq!(delivery.message, sent);
    delivery.receipt.complete().await.unwrap();
    nothing(&*receiver).await;
}

#[tokio::test]
async fn a_body_of_any_bytes_comes_back_as_it_was() {
    let transport = standard().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    let all: Vec<u8> = (0..=255).collect();
    let tricky = ["", "=", "==", "a", "aGVsbG8=", "aGVsbG8", "AAAA", "\0", "\u{fffe}", "]]>&<\r"];
    let bodies = tricky.iter().map(|body| body.as_bytes().to_vec()).chain([all]);
    for body in bodies {
        send(&transport, &queue, vec![Message::new(body.clone())]).await;
        let delivery = one(&*receiver).await;
        assert_eq!(delivery.message.body, body);
        delivery.receipt.complete().await.unwrap();
    }
}

#[tokio::test]
async fn others_see_base64_and_one_attribute_of_ours() {
    let transport = standard().await;
    let queue = queue(&transport, settings()).await;
    send(&transport, &queue, vec![adorned(vec![0xff, 0xfe])]).await;
    let raw = raw_client();
    let url = url_of(&raw, &queue).await;
    let request = raw.receive_message().queue_url(url).message_attribute_names("All");
    let received = request.send().await.unwrap().messages.unwrap().remove(0);
    assert_eq!(received.body(), Some("//4="), "padded, canonical");
    let attributes = received.message_attributes.unwrap();
    let mut names: Vec<_> = attributes.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["Trace-Id", "sealmq-meta", "syntax", "tenant", "trace-id", "umlaut"]);
    assert_eq!(
        attributes["sealmq-meta"].string_value(),
        Some(
            "1i5:id-42s9:session-1c14:request 17, är12:antworten/ß\
             t11:OrderPlacedy31:application/json; charset=utf-8"
        )
    );
}

#[tokio::test]
async fn what_others_send_is_taken_as_the_text_it_is() {
    let transport = standard().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    let raw = raw_client();
    let url = url_of(&raw, &queue).await;
    let value = |value: &str, data_type: &str| {
        let value = MessageAttributeValue::builder().data_type(data_type).string_value(value);
        value.build().unwrap()
    };
    for body in ["{\"plain\": true}", "aGVsbG8=", "UVJFMQEB"] {
        raw.send_message()
            .queue_url(&url)
            .message_body(body)
            .message_attributes("tenant", value("acme", "String"))
            .message_attributes("count", value("3", "Number"))
            .send()
            .await
            .unwrap();
        let delivery = one(&*receiver).await;
        assert_eq!(delivery.message.body, body);
        assert_eq!(delivery.message.id, delivery.receipt.metadata().broker_id);
        assert_eq!(delivery.message.attributes["tenant"], "acme");
        assert_eq!(delivery.message.attributes["count"], "3");
        delivery.receipt.complete().await.unwrap();
    }
}

#[tokio::test]
async fn a_body_in_a_second_form_is_not_decoded() {
    let transport = standard().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    let raw = raw_client();
    let url = url_of(&raw, &queue).await;
    // Without padding, with bits behind the last byte, with a line end, of another alphabet.
    for body in ["aGVsbG8", "aGVsbG9=", "aGVsbG8=\n", "-_-_", "aGVs bG8="] {
        let ours = MessageAttributeValue::builder().data_type("String").string_value("1i2:42");
        raw.send_message()
            .queue_url(&url)
            .message_body(body)
            .message_attributes("sealmq-meta", ours.build().unwrap())
            .send()
            .await
            .unwrap();
        let delivery = one(&*receiver).await;
        assert_eq!(delivery.message.body, body, "handed out as it is, never as \"hello\"");
        assert_eq!(delivery.message.id, "42");
        delivery.receipt.complete().await.unwrap();
    }
}

#[tokio::test]
async fn the_largest_body_fits_and_can_still_be_dead_lettered() {
    let transport = standard().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    let mut sent = Message::new("").with_session_id("s").with_correlation_id("c");
    for n in 0..9 {
        sent = sent.with_attribute(format!("attribute-{n}"), "v".repeat(100));
    }
    let limit = transport.capabilities().limits.max_body_bytes(sent.metadata_bytes());
    assert!(limit > 780_000, "{limit}");
    sent.body = vec![0xa5; limit].into();
    send(&transport, &queue, vec![sent.clone()]).await;
    let delivery = one(&*receiver).await;
    assert_eq!(delivery.message, sent);
    delivery.receipt.dead_letter("r".repeat(500), "d".repeat(5_000)).await.unwrap();

    let raw = raw_client();
    let url = url_of(&raw, &transport.dead_letter_queue_name(&queue)).await;
    let request = raw.receive_message().queue_url(url).message_attribute_names("All");
    let copy = request.send().await.unwrap().messages.unwrap().remove(0);
    let attributes = copy.message_attributes.unwrap();
    let bytes: usize = attributes
        .iter()
        .map(|(name, value)| {
            name.len() + value.data_type().len() + value.string_value().map_or(0, str::len)
        })
        .sum();
    assert!(bytes + copy.body.unwrap().len() <= 1_048_576, "AWS would refuse the copy");
    assert_eq!(attributes.len(), 10);
}

#[tokio::test]
async fn what_aws_refuses_is_refused_before_any_request() {
    let proxy = proxy::Proxy::start().await;
    let transport = proxy.transport().await;
    let limits = transport.capabilities().limits.clone();
    let attribute = |name: &str, value: &str| Message::new("x").with_attribute(name, value);
    let mut ten = Message::new("x");
    for n in 0..=limits.max_attributes {
        ten = ten.with_attribute(format!("a{n}"), "v");
    }
    let invalid = [
        ("attributes", attribute("sealmq-meta", "1i2:42")),
        ("attributes", attribute(".leading", "v")),
        ("attributes", attribute("trailing.", "v")),
        ("attributes", attribute("two..periods", "v")),
        ("attributes", attribute("AWS.reserved", "v")),
        ("attributes", attribute("empty", "")),
        ("attributes", attribute("control", "a\u{1}b")),
        ("attributes", attribute("noncharacter", "a\u{fffe}b")),
        ("attributes", ten),
        ("correlation_id", Message::new("x").with_correlation_id("\u{ffff}")),
        ("reply_to", Message::new("x").with_reply_to("a\u{fffe}")),
        ("message_type", Message::new("x").with_message_type("\u{fffe}")),
        ("content_type", Message::new("x").with_content_type("\u{ffff}")),
        ("delay", Message::new("x").with_delay(901 * SECOND)),
        ("id", Message::with_id("has space", "x")),
    ];
    for (expected, message) in invalid {
        let kind = refusal(&transport, "missing", message).await;
        assert_eq!(kind, TransportErrorKind::InvalidInput { field: expected });
    }
    let too_large = Message::new(vec![0; limits.max_body_bytes(36) + 1]);
    let kind = refusal(&transport, "missing", too_large).await;
    assert!(matches!(kind, TransportErrorKind::TooLarge { .. }), "{kind:?}");
    let report = transport.send("missing", Vec::new()).await;
    assert!(report.is_empty());
    assert_eq!(proxy.total(), 0, "nothing was sent");
}
