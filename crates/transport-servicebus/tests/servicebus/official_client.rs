//! Messages to and from Microsoft's own client, which arrive with all they have.

use std::process::Stdio;
use std::time::Duration;

use sealmq_queue_core::{Message, ReceiveMode, ReceiverOptions, Transport};
use sealmq_test_kit::required;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{Queue, many, nothing, one};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servicebus/official_client.py");

/// Has the client do something with a queue, and gives what it printed.
async fn client(action: &str, queue: &Queue, document: Value) -> Value {
    let mut command = Command::new(required("SEALMQ_PYTHON"));
    command.args([SCRIPT, action, &queue.name, &document.to_string()]);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.expect("Python runs");
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), output.stderr);
    assert!(output.status.success(), "{action}: {out} {}", String::from_utf8_lossy(&err));
    if out.is_empty() { Value::Null } else { serde_json::from_str(&out).unwrap() }
}

/// All bytes there are.
fn any_bytes() -> Vec<u8> {
    (0..=255).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn full(number: usize) -> Message {
    Message::new([any_bytes(), vec![7; number]].concat())
        .with_correlation_id("request-17")
        .with_reply_to("answers")
        .with_message_type("OrderPlaced")
        .with_content_type("application/octet-stream")
        .with_time_to_live(Duration::from_secs(3_600))
        .with_attribute("tenant", "Grüße")
        .with_attribute("empty", "")
}

/// The message as the client states it.
fn stated(message: &Message) -> Value {
    json!({
        "message_id": message.id,
        "session_id": message.session_id,
        "correlation_id": message.correlation_id,
        "reply_to": message.reply_to,
        "subject": message.message_type,
        "content_type": message.content_type,
        "delivery_count": 0,
        "dead_letter_reason": null,
        "dead_letter_error_description": null,
        "body": hex(&message.body),
        "properties": message.attributes,
        "time_to_live_seconds": message.time_to_live.map(|life| life.as_secs_f64()),
    })
}

#[tokio::test]
async fn what_we_send_the_client_receives() {
    let queue = Queue::new("to-client").await;
    let mut sent: Vec<_> = (0..3).map(full).collect();
    queue.send_all(sent.clone()).await; // one transfer of several messages
    sent.push(Message::new("")); // and one of a message alone
    queue.send(sent[3].clone()).await;
    sent.push(full(4).with_delay(Duration::from_millis(100)));
    queue.send(sent[4].clone()).await;
    let received = client("receive", &queue, json!({ "count": 5 })).await;
    let expected: Vec<_> = sent.iter().map(stated).collect();
    assert_eq!(received["messages"], Value::from(expected));
    assert_eq!(queue.count("active").await, 0);
}

#[tokio::test]
async fn what_the_client_sends_we_receive() {
    let queue = Queue::new("from-client").await;
    let sent: Vec<_> = (0..3).map(full).collect();
    let document = |message: &Message| {
        json!({
            "body": hex(&message.body),
            "message_id": message.id,
            "correlation_id": message.correlation_id,
            "reply_to": message.reply_to,
            "subject": message.message_type,
            "content_type": message.content_type,
            "application_properties": message.attributes,
        })
    };
    let documents: Vec<_> = sent.iter().map(document).collect();
    client("send", &queue, Value::from(documents)).await;
    let bare = json!([{ "body": "", "application_properties": { "number": 7, "whole": true } }]);
    client("send", &queue, bare).await;
    let receiver = queue.open().await;
    let received = many(&*receiver, 4).await;
    for (delivery, mut message) in received.iter().zip(sent) {
        message.time_to_live = None;
        assert_eq!(delivery.message, message);
        assert_eq!(delivery.receipt.metadata().delivery_count, 1);
    }
    let bare = &received[3].message;
    assert!(bare.body.is_empty() && !bare.id.is_empty());
    assert_eq!((&*bare.attributes["number"], &*bare.attributes["whole"]), ("7", "true"));
    for delivery in received {
        delivery.receipt.complete().await.unwrap();
    }
    nothing(&*receiver).await;
    assert_eq!(queue.count("active").await, 0);
}

#[tokio::test]
async fn dead_letters_say_why_to_either_side() {
    let queue = Queue::new("dead-of-both").await;
    queue.send(Message::new("ours")).await;
    let receiver = queue.open().await;
    one(&*receiver).await.receipt.dead_letter("Broken", "by us").await.unwrap();
    let wanted = json!({ "count": 1, "sub_queue": "deadletter" });
    let seen = client("receive", &queue, wanted).await;
    let seen = &seen["messages"][0];
    assert_eq!(seen["dead_letter_reason"], "Broken");
    assert_eq!(seen["dead_letter_error_description"], "by us");

    queue.send(Message::new("theirs")).await;
    client("receive", &queue, json!({ "count": 1, "dead_letter": ["Broken", "by them"] })).await;
    let options = ReceiverOptions::default().with_mode(ReceiveMode::ReceiveAndDelete);
    let dead_letters = queue.transport.open(&queue.dead_letters(), options).await.unwrap();
    let dead = one(&*dead_letters).await;
    let why = dead.receipt.metadata().dead_letter.clone().unwrap();
    assert_eq!(
        (why.reason.as_deref(), why.description.as_deref()),
        (Some("Broken"), Some("by them"))
    );
    assert_eq!(dead.message.body, "theirs");
    assert!(dead.message.attributes.is_empty(), "{:?}", dead.message);
}

#[tokio::test]
async fn a_session_and_its_state_pass_from_one_to_the_other() {
    let queue = Queue::of_sessions("session-of-both", Duration::from_secs(30)).await;
    let ours = full(1).with_session_id("order-17");
    queue.send(ours.clone()).await;
    let holder = queue.session("order-17").await;
    holder.session().unwrap().set_state(Some("step 1".into())).await.unwrap();
    holder.close().await.unwrap();
    let wanted = json!({ "count": 1, "session": "order-17", "state": "step 2" });
    let seen = client("receive", &queue, wanted).await;
    assert_eq!(seen["messages"][0], stated(&ours));
    assert_eq!(seen["state"], "step 1");

    client("send", &queue, json!([{ "body": "00ff", "session_id": "order-17" }])).await;
    let holder = queue.session("order-17").await;
    let delivery = one(&*holder).await;
    assert_eq!(delivery.message.session_id.as_deref(), Some("order-17"));
    assert_eq!(delivery.message.body, [0, 255].as_slice());
    delivery.receipt.complete().await.unwrap();
    let state = holder.session().unwrap().state().await.unwrap();
    assert_eq!(state.as_deref(), Some(b"step 2".as_slice()));
}
