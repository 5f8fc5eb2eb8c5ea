//! Sending: batches, sizes, refusals, schedules.

use std::time::Duration;

use sealmq_queue_core::{Message, Transport, TransportErrorKind as Kind};
use serde_json::json;

use crate::support::{Queue, body, connect, kind, many, nothing, one, unique};

#[tokio::test]
async fn a_message_arrives_as_it_was_sent() {
    let queue = Queue::new("arrives").await;
    let receiver = queue.open().await;
    let sent = Message::new((0..=255u8).collect::<Vec<_>>())
        .with_session_id("group")
        .with_correlation_id("request-17")
        .with_reply_to("answers")
        .with_message_type("OrderPlaced")
        .with_content_type("application/json")
        .with_attribute("tenant", "Grüße")
        .with_attribute("empty", "");
    queue.send(sent.clone()).await;
    let delivery = one(&*receiver).await;
    assert_eq!(delivery.message, sent);
    let metadata = delivery.receipt.metadata();
    assert_eq!(metadata.delivery_count, 1);
    assert!(metadata.sequence_number.is_some() && metadata.enqueued_at.is_some());
    assert_eq!(metadata.lock_duration, Some(Duration::from_secs(30)));
    delivery.receipt.complete().await.unwrap();
    nothing(&*receiver).await;
    assert_eq!(queue.count("active").await, 0);
}

#[tokio::test]
async fn a_batch_is_split_by_size_and_arrives_in_order() {
    let queue = Queue::new("batch").await;
    let receiver = queue.open().await;
    let sent: Vec<_> = (0..7u8).map(|n| Message::new(vec![n; 100_000])).collect();
    queue.send_all(sent.clone()).await;
    let received = many(&*receiver, 7).await;
    let bodies: Vec<_> = received.iter().map(|delivery| delivery.message.body.clone()).collect();
    assert_eq!(bodies, sent.into_iter().map(|message| message.body).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_largest_message_fits_with_all_its_metadata() {
    let queue = Queue::new("largest").await;
    let receiver = queue.open().await;
    let mut message = Message::with_id("i".repeat(128), "")
        .with_session_id("s".repeat(128))
        .with_correlation_id("c".repeat(100))
        .with_time_to_live(Duration::from_secs(3600));
    let limits = &queue.transport.capabilities().limits;
    for number in 0..limits.max_attributes {
        message = message.with_attribute(format!("{number:0>64}"), "v".repeat(300));
    }
    message.body = vec![7; limits.max_body_bytes(message.metadata_bytes())].into();
    queue.send(message.clone()).await;
    let delivery = one(&*receiver).await;
    assert_eq!(delivery.message.body.len(), message.body.len());
    // A copy says more about itself than the message did, and fits too.
    delivery.receipt.abandon(Duration::from_millis(100)).await.unwrap();
    let mut again = one(&*receiver).await.message;
    again.time_to_live = message.time_to_live; // that of the copy is what is left of it
    assert!(again == message, "the copy is the same message");
}

#[tokio::test]
async fn an_oversized_message_is_refused_before_any_io() {
    let transport = connect();
    let limit = transport.capabilities().limits.max_body_bytes(0);
    let messages = vec![Message::new("small"), Message::new(vec![0; limit + 1])];
    let report = transport.send("no-such-queue", messages).await;
    let kinds: Vec<_> =
        report.into_iter().map(|result| result.unwrap_err().error.kind().clone()).collect();
    assert_eq!(kinds[0], Kind::InvalidInput { field: "batch" });
    assert!(matches!(kinds[1], Kind::TooLarge { .. }), "{kinds:?}");
}

#[tokio::test]
async fn a_message_over_the_limit_of_the_queue_says_so_and_the_rest_is_sent() {
    let queue = Queue::with("small", json!({ "max_message_size_bytes": 20_000 })).await;
    let receiver = queue.open().await;
    let messages = vec![Message::new("a"), Message::new(vec![0; 30_000]), Message::new("b")];
    let mut report = queue.transport.send(&queue.name, messages).await;
    let failure = report.remove(1).unwrap_err();
    assert!(
        matches!(failure.error.kind(), Kind::TooLarge { size_bytes, limit_bytes: 20_000 }
            if *size_bytes > 30_000),
        "{:?}",
        failure.error
    );
    assert_eq!(failure.message.body.len(), 30_000);
    assert!(report.iter().all(Result::is_ok), "{report:?}");
    many(&*receiver, 2).await;
}

#[tokio::test]
async fn an_unknown_queue_is_not_found() {
    let transport = connect();
    let missing = unique("missing");
    let failure = transport.send(&missing, vec![Message::new("m")]).await.remove(0).unwrap_err();
    assert_eq!(failure.error.kind(), &Kind::NotFound);
    assert_eq!(failure.message.body, "m");
    let source = sealmq_queue_core::Source::queue(&missing);
    let opened = transport.open(&source, Default::default()).await;
    assert_eq!(kind(opened), Some(Kind::NotFound));
    assert_eq!(kind(transport.peek(&source, 0, 1).await), Some(Kind::NotFound));
    assert_eq!(kind(transport.cancel_scheduled(&missing, 1).await), Some(Kind::NotFound));
}

#[tokio::test]
async fn a_busy_broker_throttles_and_refuses_transfer_by_transfer() {
    let queue = Queue::new("busy").await;
    queue.fault("reject-send", json!({})).await;
    let messages =
        vec![Message::new("a"), Message::new("b"), Message::new("c").with_session_id("s")];
    let report = queue.transport.send(&queue.name, messages).await;
    let throttled = Kind::Throttled { retry_after: None };
    for result in &report[..2] {
        assert_eq!(result.as_ref().unwrap_err().error.kind(), &throttled, "one transfer");
    }
    assert!(report[2].is_ok(), "another transfer");
    let receiver = queue.open().await;
    assert_eq!(body(&one(&*receiver).await), "c");
    nothing(&*receiver).await;
}

#[tokio::test]
async fn scheduled_messages_have_numbers_and_can_be_cancelled() {
    let queue = Queue::new("scheduled").await;
    let receiver = queue.open().await;
    let later = |body: &str| Message::new(body.to_owned()).with_delay(Duration::from_millis(700));
    let messages = vec![later("kept"), Message::new("now"), later("cancelled")];
    let report = queue.transport.send(&queue.name, messages).await;
    let numbers: Vec<_> = report.into_iter().map(|sent| sent.unwrap().sequence_number).collect();
    assert_eq!(numbers[1], None, "only what is held back is given a number");
    assert_eq!(body(&one(&*receiver).await), "now");
    let cancel =
        async || queue.transport.cancel_scheduled(&queue.name, numbers[2].unwrap()).await.unwrap();
    assert!(cancel().await, "it was still held back");
    assert!(!cancel().await, "it is not there any more");
    nothing(&*receiver).await;
    assert_eq!(body(&one(&*receiver).await), "kept");
    nothing(&*receiver).await;
}

#[tokio::test]
async fn a_message_expires_with_its_time_to_live() {
    let queue = Queue::new("expires").await;
    let perishable = Message::new("gone").with_time_to_live(Duration::from_millis(200));
    queue.send_all(vec![perishable, Message::new("stays")]).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    let receiver = queue.open().await;
    assert_eq!(body(&one(&*receiver).await), "stays");
    nothing(&*receiver).await;
}

#[tokio::test]
async fn peeking_shows_messages_and_locks_none() {
    let queue = Queue::new("peek").await;
    let sent: Vec<_> = (0..5).map(|n| Message::new(format!("m{n}"))).collect();
    queue.send_all(sent.clone()).await;
    let first = queue.transport.peek(&queue.source(), 0, 2).await.unwrap();
    let numbers: Vec<_> =
        first.iter().map(|peeked| peeked.metadata.sequence_number.unwrap()).collect();
    let rest = queue.transport.peek(&queue.source(), numbers[1] + 1, 10).await.unwrap();
    let seen: Vec<_> = first.into_iter().chain(rest).map(|peeked| peeked.message).collect();
    assert_eq!(seen, sent);
    let receiver = queue.open().await;
    assert_eq!(one(&*receiver).await.receipt.metadata().delivery_count, 1);
    assert!(queue.transport.peek(&queue.dead_letters(), 0, 10).await.unwrap().is_empty());
}
