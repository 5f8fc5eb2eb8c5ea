//! Looking: at messages, at the depth of a queue, at the server's health.

use sealmq_queue_core::{DeadLetterInfo, Message, Transport, TransportErrorKind};
use sealmq_test_kit::NatsServer;

use crate::support::{Queue, config_of, connect, connect_to, eventually, kind, one, take, unique};

#[tokio::test]
async fn peeking_shows_messages_without_locking_them() {
    let queue = Queue::new().await;
    let sent = Message::new("in plain sight").with_attribute("tenant", "acme");
    let receipt = queue.send(sent.clone()).await;
    for _ in 0..2 {
        let peeked = queue.transport.peek(&queue.source(), 0, 10).await.unwrap();
        assert_eq!(peeked.len(), 1);
        assert_eq!(peeked[0].message, sent);
        assert_eq!(peeked[0].metadata.sequence_number, receipt.sequence_number);
    }
    let delivery = one(&*queue.open().await).await;
    assert_eq!(delivery.receipt.metadata().delivery_count, 1);
    let peeked = queue.transport.peek(&queue.source(), 0, 10).await.unwrap();
    assert_eq!(peeked[0].metadata.broker_id, delivery.receipt.metadata().broker_id);
}

#[tokio::test]
async fn peeking_pages_by_sequence_number() {
    let queue = Queue::new().await;
    let ids = queue.send_many(5).await;
    let held_back = Message::new("held back").with_delay(std::time::Duration::from_secs(3_600));
    queue.send(held_back).await;
    let (mut seen, mut from) = (Vec::new(), 0);
    loop {
        let page = queue.transport.peek(&queue.source(), from, 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        from = last.metadata.sequence_number.unwrap() + 1;
        seen.extend(page.into_iter().map(|peeked| peeked.message.id));
    }
    assert_eq!(seen.len(), 5, "a message that is held back is not shown");
    assert_eq!(seen.into_iter().collect::<std::collections::BTreeSet<_>>(), ids);
}

#[tokio::test]
async fn dead_letters_can_be_peeked_at() {
    let queue = Queue::new().await;
    assert!(queue.transport.peek(&queue.dead_source(), 0, 10).await.unwrap().is_empty());
    queue.send(Message::new("body")).await;
    one(&*queue.open().await).await.receipt.dead_letter("Broken", "why").await.unwrap();
    let peeked = queue.transport.peek(&queue.dead_source(), 0, 10).await.unwrap();
    let info = DeadLetterInfo { reason: Some("Broken".into()), description: Some("why".into()) };
    assert_eq!(peeked[0].metadata.dead_letter, Some(info));
}

#[tokio::test]
async fn the_depth_counts_what_nobody_has_received_yet() {
    let queue = Queue::new().await;
    let depth = async || queue.transport.depth(&queue.source()).await.unwrap();
    assert_eq!(depth().await, 0);
    queue.send_many(3).await;
    eventually("three messages wait", async || depth().await == 3).await;
    let receiver = queue.open().await;
    let held = one(&*receiver).await;
    eventually("two messages wait", async || depth().await == 2).await;
    held.receipt.complete().await.unwrap();
    take(&*receiver, 2).await;
    assert_eq!(depth().await, 0);
    assert_eq!(queue.transport.depth(&queue.dead_source()).await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_missing_cannot_be_looked_at() {
    let transport = connect().await;
    let missing = sealmq_queue_core::Source::queue(unique("missing"));
    assert_eq!(kind(transport.peek(&missing, 0, 1).await), TransportErrorKind::NotFound);
    assert_eq!(kind(transport.depth(&missing).await), TransportErrorKind::NotFound);
}

#[tokio::test]
async fn health_follows_the_server() {
    let mut server = NatsServer::start().await;
    let config = config_of(&server).with_request_timeout(std::time::Duration::from_millis(500));
    let transport = sealmq_transport_nats::NatsTransport::connect(&config).await.unwrap();
    transport.health().await.unwrap();
    server.kill().await;
    assert_eq!(kind(transport.health().await), TransportErrorKind::Unavailable);
    server.start_again().await;
    eventually("the server is healthy again", async || transport.health().await.is_ok()).await;
    transport.close().await.unwrap();
    assert_eq!(kind(transport.health().await), TransportErrorKind::Closed);
}

#[tokio::test]
async fn a_server_without_jetstream_is_not_healthy() {
    let server = NatsServer::with_config("jetstream: disabled").await;
    let transport = connect_to(&server).await;
    assert_eq!(kind(transport.health().await), TransportErrorKind::Unavailable);
}
