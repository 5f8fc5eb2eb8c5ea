//! Copies: what stands for a message that is held back, or brought back from the dead-letter queue.

use std::time::{Duration, Instant};

use sealmq_queue_core::{Message, ReceiverOptions, Source, Transport, TransportErrorKind as Kind};
use sealmq_transport_servicebus::ServiceBusTransport;
use serde_json::json;

use crate::support::{
    Admin, Queue, body, config, connect, many, nothing, one, settle_kind, unique,
};

const DELAY: Duration = Duration::from_millis(600);

fn message() -> Message {
    Message::new("work").with_attribute("tenant", "acme").with_message_type("T")
}

#[tokio::test]
async fn a_message_abandoned_with_a_delay_comes_back_then_and_counts_on() {
    let queue = Queue::new("held-back").await;
    let receiver = queue.open().await;
    let sent = message();
    queue.send(sent.clone()).await;
    let long = Duration::from_secs(3); // than it takes to look, however busy the machine is
    for (count, delay) in [(1, long), (2, Duration::ZERO), (3, long)] {
        let delivery = one(&*receiver).await;
        assert_eq!(delivery.message, sent, "what is bound stays");
        assert_eq!(delivery.receipt.metadata().delivery_count, count);
        delivery.receipt.abandon(delay).await.unwrap();
        let started = Instant::now();
        if !delay.is_zero() {
            nothing(&*receiver).await;
            assert!(started.elapsed() < delay);
        }
    }
    let last = one(&*receiver).await;
    assert_eq!(last.receipt.metadata().delivery_count, 4);
    last.receipt.complete().await.unwrap();
    nothing(&*receiver).await;
}

/// The broker counts each copy from one, so it would never end a message that is held back.
#[tokio::test]
async fn a_message_that_is_held_back_too_often_is_dead_lettered() {
    for most in [Some(3), None] {
        let queue = Queue::with("spent", json!({ "max_delivery_count": 3 })).await;
        let transport = ServiceBusTransport::new(config().with_max_deliveries(most)).unwrap();
        let source = Source::queue(&*queue.name);
        let receiver = transport.open(&source, ReceiverOptions::default()).await.unwrap();
        let sent = message();
        queue.send(sent.clone()).await;
        for _ in 0..3 {
            one(&*receiver).await.receipt.abandon(Duration::from_millis(50)).await.unwrap();
        }
        if most.is_none() {
            let control = one(&*receiver).await; // the control: delivered a fourth time
            assert_eq!(control.receipt.metadata().delivery_count, 4);
            control.receipt.complete().await.unwrap();
            continue;
        }
        nothing(&*receiver).await;
        let dead = Source::dead_letter(&*queue.name);
        let dead = transport.open(&dead, ReceiverOptions::default()).await.unwrap();
        let dead = one(&*dead).await;
        assert_eq!(dead.message, sent);
        let info = dead.receipt.metadata().dead_letter.clone().unwrap();
        assert_eq!(info.reason.as_deref(), Some("MaxDeliveryCountExceeded"));
        dead.receipt.complete().await.unwrap();
    }
}

#[tokio::test]
async fn a_queue_that_drops_duplicates_does_not_drop_copies() {
    let queue = Queue::with("copies", json!({ "requires_duplicate_detection": true })).await;
    let receiver = queue.open().await;
    let sent = message();
    queue.send(sent.clone()).await;
    queue.send(sent.clone()).await;
    for _ in 0..2 {
        one(&*receiver).await.receipt.abandon(Duration::from_millis(50)).await.unwrap();
    }
    let third = one(&*receiver).await;
    assert_eq!(third.message.id, sent.id);
    third.receipt.dead_letter("Broken", "").await.unwrap();
    for _ in 0..2 {
        assert_eq!(queue.transport.redrive(&queue.name, 10).await.unwrap(), 1);
        let back = one(&*receiver).await;
        assert_eq!(back.message, sent);
        assert_eq!(back.receipt.metadata().delivery_count, 1, "deliveries count anew");
        back.receipt.dead_letter("Broken", "").await.unwrap();
    }
    nothing(&*receiver).await;
}

#[tokio::test]
async fn a_copy_is_made_before_the_original_is_settled_and_not_twice() {
    let queue = Queue::new("copy-first").await;
    let receiver = queue.open().await;
    queue.send_all(vec![message(), message()]).await;
    let mut held = many(&*receiver, 2).await;
    // The copy cannot be made: the message is as it was.
    queue.fault("fail-management", json!({})).await;
    let failed = held.remove(0).receipt.abandon(DELAY).await.unwrap_err();
    assert_eq!(queue.count("scheduled").await, 0);
    failed.receipt.complete().await.unwrap();
    // The copy is made, and its original cannot be settled: two, and not none.
    let abandoning = held.remove(0).receipt.abandon(2 * DELAY);
    let fault_between = async {
        while queue.count("scheduled").await == 0 {}
        queue.fault("fail-management", json!({})).await;
    };
    let (first, ()) = tokio::join!(abandoning, fault_between);
    if let Err(failed) = first {
        assert!(failed.error.is_retryable());
        assert_eq!(queue.count("active").await, 1);
        failed.receipt.abandon(2 * DELAY).await.unwrap();
    }
    assert_eq!(queue.count("scheduled").await, 1);
    assert_eq!(queue.count("active").await, 0);
}

#[tokio::test]
async fn a_lost_lock_is_noticed_before_a_copy_is_made() {
    let queue = Queue::locking("copy-lost", Duration::from_secs(1)).await;
    let receiver = queue.open().await;
    queue.send(message()).await;
    let stale = one(&*receiver).await;
    let held = one(&*receiver).await;
    assert_eq!(settle_kind(stale.receipt.abandon(DELAY).await), Some(Kind::LockLost));
    assert_eq!(queue.count("scheduled").await, 0, "no copy was made");
    held.receipt.complete().await.unwrap();
}

#[tokio::test]
async fn a_message_held_back_expires_when_it_would_have() {
    let queue = Queue::new("copy-expires").await;
    let receiver = queue.open().await;
    queue.send(message().with_time_to_live(Duration::from_millis(500))).await;
    one(&*receiver).await.receipt.abandon(DELAY).await.unwrap();
    tokio::time::sleep(DELAY).await;
    nothing(&*receiver).await;
}

#[tokio::test]
async fn redrive_moves_as_many_as_asked_for() {
    let queue = Queue::new("redrive").await;
    let receiver = queue.open().await;
    let sent: Vec<_> = (0..120).map(|n| Message::new(format!("m{n}"))).collect();
    queue.send_all(sent).await;
    for delivery in many(&*receiver, 120).await {
        delivery.receipt.dead_letter("Broken", "").await.unwrap();
    }
    let transport = &queue.transport;
    assert_eq!(transport.redrive(&queue.name, 70).await.unwrap(), 70);
    let mut back = many(&*receiver, 70).await;
    nothing(&*receiver).await;
    assert_eq!(transport.redrive(&queue.name, 1000).await.unwrap(), 50);
    back.extend(many(&*receiver, 50).await);
    let mut bodies: Vec<_> = back.iter().map(body).collect();
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), 120);
    assert_eq!(transport.redrive(&queue.name, 10).await.unwrap(), 0);
    assert_eq!(queue.count("dead_lettered").await, 0);
}

#[tokio::test]
async fn a_redrive_that_cannot_send_moves_nothing() {
    let queue = Queue::new("redrive-fails").await;
    let receiver = queue.open().await;
    queue.send(message()).await;
    one(&*receiver).await.receipt.dead_letter("Broken", "").await.unwrap();
    queue.fault("reject-send", json!({})).await;
    let error = queue.transport.redrive(&queue.name, 10).await.unwrap_err();
    assert_eq!(error.kind(), &Kind::Throttled { retry_after: None });
    assert_eq!(queue.transport.redrive(&queue.name, 10).await.unwrap(), 1);
}

#[tokio::test]
async fn nothing_is_copied_into_a_topic() {
    let (admin, topic) = (Admin::from_env(), unique("no-copies"));
    admin.put(&format!("/topics/{topic}"), &json!({})).await;
    admin.put(&format!("/topics/{topic}/subscriptions/s"), &json!({})).await;
    let transport = connect();
    let subscription = format!("{topic}/Subscriptions/s");
    let receiver = transport.open(&Source::queue(&subscription), Default::default()).await.unwrap();
    transport.send(&topic, vec![message()]).await.remove(0).unwrap();
    let held = one(&*receiver).await;
    let failed = held.receipt.abandon(DELAY).await.unwrap_err();
    assert!(matches!(failed.error.kind(), Kind::Unsupported { .. }), "{:?}", failed.error);
    failed.receipt.complete().await.unwrap();
    let refused = transport.redrive(&subscription, 1).await.unwrap_err();
    assert!(matches!(refused.kind(), Kind::Unsupported { .. }), "{refused:?}");
}
