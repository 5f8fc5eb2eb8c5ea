//! Core NATS: to those who listen, at most once, and honest about it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sealmq_queue_core::{
    DeliveryGuarantee, Feature, Message, ReceiveMode, Receiver, ReceiverOptions, Source, Transport,
    TransportErrorKind,
};
use sealmq_transport_nats::NatsCoreTransport;

use crate::support::{
    PATIENCE, QUIET, config, eventually, invalid_field, kind, nothing, one, try_send, unique,
};

async fn connect() -> NatsCoreTransport {
    NatsCoreTransport::connect(&config()).await.unwrap()
}

fn unlocked() -> ReceiverOptions {
    ReceiverOptions::default().with_mode(ReceiveMode::ReceiveAndDelete)
}

async fn listen(transport: &NatsCoreTransport, queue: &str) -> Box<dyn Receiver> {
    transport.open(&Source::queue(queue), unlocked()).await.unwrap()
}

async fn send_many(transport: &NatsCoreTransport, queue: &str, count: usize) -> BTreeSet<String> {
    let messages: Vec<_> = (0..count).map(|n| Message::new(format!("{n}"))).collect();
    let ids = messages.iter().map(|message| message.id.clone()).collect();
    for sent in transport.send(queue, messages).await {
        sent.unwrap();
    }
    ids
}

async fn receive_all(receiver: &dyn Receiver) -> Vec<String> {
    let mut ids = Vec::new();
    while let batch = receiver.recv(100, Duration::from_secs(1)).await.unwrap()
        && !batch.is_empty()
    {
        ids.extend(batch.into_iter().map(|delivery| delivery.message.id));
    }
    ids
}

#[tokio::test]
async fn a_message_arrives_with_all_of_its_metadata() {
    let (transport, queue) = (connect().await, unique("orders.v2"));
    let receiver = listen(&transport, &queue).await;
    let sent = Message::new((0..=255u8).collect::<Vec<_>>())
        .with_session_id("group")
        .with_correlation_id("request")
        .with_reply_to("answers")
        .with_message_type("Order")
        .with_content_type("text/plain")
        .with_attribute("umlaut", " Grüße");
    try_send(&transport, &queue, sent.clone()).await.unwrap();
    let delivery = one(&*receiver).await;
    assert_eq!(delivery.message, sent);
    assert_eq!(delivery.receipt.metadata().delivery_count, 1);
    assert_eq!(delivery.receipt.metadata().lock_duration, None);
}

#[tokio::test]
async fn a_message_nobody_listens_to_is_not_found_and_comes_back() {
    let transport = connect().await;
    let queue = unique("nobody");
    let messages = vec![Message::new("one"), Message::new("two")];
    let report = transport.send(&queue, messages.clone()).await;
    for (result, message) in report.into_iter().zip(messages) {
        let failure = result.unwrap_err();
        assert_eq!(failure.error.kind(), &TransportErrorKind::NotFound);
        assert_eq!(*failure.message, message);
    }
}

#[tokio::test]
async fn what_was_sent_before_is_not_heard() {
    let (transport, queue) = (connect().await, unique("late"));
    assert!(try_send(&transport, &queue, Message::new("missed")).await.is_err());
    nothing(&*listen(&transport, &queue).await).await;
}

#[tokio::test]
async fn receivers_of_a_group_share_and_every_group_gets_all() {
    let (transport, other) = (connect().await, connect().await);
    let queue = unique("shared");
    let (a, b) = (listen(&transport, &queue).await, listen(&other, &queue).await);
    let audit = other.open_in_group(&queue, "audit", &unlocked()).await.unwrap();
    let ids = send_many(&transport, &queue, 200).await;
    let (of_a, of_b) = tokio::join!(receive_all(&*a), receive_all(&*b));
    assert_eq!(of_a.len() + of_b.len(), 200, "each message to one of the group");
    assert_eq!(of_a.into_iter().chain(of_b).collect::<BTreeSet<_>>(), ids);
    assert_eq!(receive_all(&*audit).await.into_iter().collect::<BTreeSet<_>>(), ids);
}

#[tokio::test]
async fn what_cannot_be_had_is_refused_before_any_io() {
    let transport = connect().await;
    let capabilities = transport.capabilities();
    assert_eq!(capabilities.guarantee, DeliveryGuarantee::AtMostOnce);
    assert!(!capabilities.has(Feature::Settlement) && !capabilities.has(Feature::DeadLetter));
    transport.close().await.unwrap(); // from here on any I/O would be `Closed`

    let queue = Source::queue("orders");
    let unsupported = |feature| TransportErrorKind::Unsupported { feature };
    let locked = transport.open(&queue, ReceiverOptions::default()).await;
    assert_eq!(kind(locked.map(drop)), unsupported("settlement"));
    let dead = transport.open(&Source::dead_letter("orders"), unlocked()).await;
    assert_eq!(kind(dead.map(drop)), unsupported("dead-lettering"));
    let scheduled = Message::new("").with_delay(Duration::from_secs(1));
    let sent = try_send(&transport, "orders", scheduled).await;
    assert_eq!(kind(sent), unsupported("scheduled send"));
    let perishable = Message::new("").with_time_to_live(Duration::from_secs(1));
    let sent = try_send(&transport, "orders", perishable).await;
    assert_eq!(kind(sent), unsupported("time to live per message"));
    assert_eq!(kind(transport.peek(&queue, 0, 1).await), unsupported("peek"));
    assert_eq!(kind(transport.depth(&queue).await), unsupported("queue depth"));
    assert_eq!(kind(transport.redrive("orders", 1).await), unsupported("redrive"));
    let group = transport.open_in_group("orders", "a b", &unlocked()).await;
    assert_eq!(invalid_field(group.map(drop)), "queue_group");
}

#[tokio::test]
async fn there_is_nothing_to_settle() {
    let (transport, queue) = (connect().await, unique("queue"));
    let receiver = listen(&transport, &queue).await;
    send_many(&transport, &queue, 1).await;
    let receipt = one(&*receiver).await.receipt;
    let unsupported = TransportErrorKind::Unsupported { feature: "settlement" };
    assert_eq!(kind(receipt.extend(QUIET).await), unsupported);
    let refused = receipt.complete().await.unwrap_err();
    assert_eq!(refused.error.kind(), &unsupported);
    assert_eq!(
        kind(receiver.recv_deferred(1).await),
        TransportErrorKind::Unsupported { feature: "deferral" }
    );
}

#[tokio::test]
async fn sizes_and_headers_are_checked_before_any_io() {
    let transport = connect().await;
    let most = transport.capabilities().limits.max_body_bytes(36);
    let queue = unique("queue");
    let receiver = listen(&transport, &queue).await;
    let largest = Message::new(vec![7; most]);
    try_send(&transport, &queue, largest.clone()).await.unwrap();
    assert_eq!(one(&*receiver).await.message.body, largest.body);

    let missing = unique("missing");
    let too_large = try_send(&transport, &missing, Message::new(vec![7; most + 1])).await;
    assert!(matches!(kind(too_large), TransportErrorKind::TooLarge { .. }));
    let long = Message::new("").with_attribute("long", "v".repeat(70_000));
    assert_eq!(invalid_field(try_send(&transport, &missing, long).await), "attributes");
}

#[tokio::test]
async fn waiting_ends_with_the_message_the_wait_or_the_close() {
    let (transport, queue) = (connect().await, unique("queue"));
    let receiver = listen(&transport, &queue).await;
    assert!(receiver.recv(1, Duration::ZERO).await.unwrap().is_empty());
    let start = Instant::now();
    nothing(&*receiver).await;
    assert!(start.elapsed() >= QUIET.mul_f64(0.9));

    let late = async {
        tokio::time::sleep(QUIET).await;
        send_many(&transport, &queue, 1).await;
    };
    let (batch, ()) = tokio::join!(receiver.recv(10, PATIENCE), late);
    assert_eq!(batch.unwrap().len(), 1);

    let close = async {
        tokio::time::sleep(QUIET).await;
        receiver.close().await.unwrap();
    };
    let (pending, ()) = tokio::join!(receiver.recv(1, PATIENCE), close);
    assert_eq!(kind(pending), TransportErrorKind::Closed);
    receiver.close().await.unwrap();
    let unheard = try_send(&transport, &queue, Message::new("unheard")).await;
    assert_eq!(kind(unheard), TransportErrorKind::NotFound, "a closed receiver does not listen");
}

#[tokio::test]
async fn a_slow_receiver_drops_messages_and_they_are_counted() {
    let slow = config().with_subscription_capacity(10);
    let (transport, queue) = (NatsCoreTransport::connect(&slow).await.unwrap(), unique("slow"));
    let receiver = listen(&transport, &queue).await;
    send_many(&connect().await, &queue, 100).await;
    let dropped = async || transport.dropped_messages() > 0;
    eventually("dropped messages are counted", dropped).await;
    let received = receive_all(&*receiver).await;
    assert!(!received.is_empty() && received.len() < 100, "{}", received.len());
}

#[tokio::test]
async fn health_and_closing() {
    let transport = connect().await;
    transport.health().await.unwrap();
    let receiver = listen(&transport, &unique("queue")).await;
    transport.close().await.unwrap();
    transport.close().await.unwrap();
    assert_eq!(kind(transport.health().await), TransportErrorKind::Closed);
    assert_eq!(kind(receiver.recv(1, QUIET).await), TransportErrorKind::Closed);
    receiver.close().await.unwrap();
    let sent = try_send(&transport, "queue", Message::new("")).await;
    assert_eq!(kind(sent), TransportErrorKind::Closed);
}
