//! Settling: each outcome, too late, twice, after the receiver or its connection is gone.

use std::time::Duration;

use sealmq_queue_core::{
    Certainty, DeadLetterInfo, Message, Settlement, Transport, TransportErrorKind as Kind,
};
use serde_json::json;
use tokio::time::sleep;

use crate::support::{PATIENCE, Queue, body, kind, many, nothing, one, settle_kind};

const SHORT: Duration = Duration::from_secs(1);

async fn outlast_lock() {
    sleep(SHORT + Duration::from_millis(300)).await;
}

#[tokio::test]
async fn a_settlement_is_confirmed() {
    let queue = Queue::new("confirmed").await;
    let receiver = queue.open().await;
    queue.send_all(vec![Message::new("a"), Message::new("b"), Message::new("c")]).await;
    let mut held = many(&*receiver, 3).await;
    assert_eq!(held.remove(0).receipt.complete().await.unwrap(), Certainty::Confirmed);
    let abandoned = held.remove(0).receipt.abandon(Duration::ZERO).await.unwrap();
    assert_eq!(abandoned, Certainty::Confirmed);
    let dead = held.remove(0).receipt.dead_letter("Broken", "it is").await.unwrap();
    assert_eq!(dead, Certainty::Confirmed);
    let again = one(&*receiver).await;
    assert_eq!((body(&again).as_str(), again.receipt.metadata().delivery_count), ("b", 2));
    again.receipt.complete().await.unwrap();
    nothing(&*receiver).await;
}

#[tokio::test]
async fn a_lost_lock_is_noticed_and_harms_nobody() {
    let queue = Queue::locking("late", SHORT).await;
    let receiver = queue.open().await;
    queue.send(Message::new("m")).await;
    let stale = one(&*receiver).await;
    outlast_lock().await;
    let held = one(&*receiver).await;
    assert_eq!(held.receipt.metadata().delivery_count, 2);
    assert_eq!(stale.receipt.metadata().broker_id, held.receipt.metadata().broker_id);
    assert_eq!(kind(stale.receipt.extend(SHORT).await), Some(Kind::LockLost));
    let failed = stale.receipt.complete().await.unwrap_err();
    assert_eq!(failed.error.kind(), &Kind::LockLost);
    assert_eq!(settle_kind(failed.receipt.abandon(Duration::ZERO).await), Some(Kind::LockLost));
    held.receipt.complete().await.unwrap();
    outlast_lock().await;
    nothing(&*receiver).await;
}

#[tokio::test]
async fn a_renewed_lock_keeps_the_message_away() {
    let queue = Queue::locking("renewed", SHORT).await;
    let (holder, other) = (queue.open().await, queue.open().await);
    queue.send(Message::new("long work")).await;
    let held = one(&*holder).await;
    for _ in 0..4 {
        sleep(SHORT / 2).await;
        held.receipt.extend(SHORT).await.unwrap();
    }
    assert!(other.recv(1, Duration::ZERO).await.unwrap().is_empty());
    let too_long = kind(held.receipt.extend(SHORT + Duration::from_millis(1)).await);
    assert_eq!(too_long, Some(Kind::InvalidInput { field: "duration" }), "over that of the queue");
    held.receipt.complete().await.unwrap();
}

#[tokio::test]
async fn a_dead_letter_has_its_reason_and_is_a_message_like_others() {
    let queue = Queue::new("dead").await;
    let receiver = queue.open().await;
    let sent = Message::new("poison").with_attribute("tenant", "acme").with_correlation_id("c");
    queue.send(sent.clone()).await;
    one(&*receiver).await.receipt.dead_letter("Broken", "see \"operations\"").await.unwrap();
    nothing(&*receiver).await;

    let dead_letters = queue.transport.open(&queue.dead_letters(), Default::default()).await;
    let dead_letters = dead_letters.unwrap();
    let dead = one(&*dead_letters).await;
    assert_eq!(dead.message, sent);
    let info = DeadLetterInfo {
        reason: Some("Broken".into()),
        description: Some("see \"operations\"".into()),
    };
    assert_eq!(dead.receipt.metadata().dead_letter, Some(info));
    let failed = dead.receipt.dead_letter("Again", "").await.unwrap_err();
    assert_eq!(failed.error.kind(), &Kind::InvalidInput { field: "settlement" });
    let failed = failed.receipt.abandon(Duration::from_secs(1)).await.unwrap_err();
    assert!(matches!(failed.error.kind(), Kind::Unsupported { .. }), "{:?}", failed.error);
    failed.receipt.complete().await.unwrap();
    nothing(&*dead_letters).await;
}

#[tokio::test]
async fn too_long_a_reason_is_refused_before_any_io() {
    let queue = Queue::new("reason").await;
    let receiver = queue.open().await;
    queue.send(Message::new("m")).await;
    let held = one(&*receiver).await;
    let failed = held.receipt.dead_letter("r".repeat(4097), "").await.unwrap_err();
    assert_eq!(failed.error.kind(), &Kind::InvalidInput { field: "reason" });
    failed.receipt.complete().await.unwrap();
}

#[tokio::test]
async fn too_many_deliveries_end_in_the_dead_letter_queue() {
    let queue = Queue::with("exhausted", json!({ "max_delivery_count": 2 })).await;
    let receiver = queue.open().await;
    queue.send(Message::new("poison")).await;
    for _ in 0..2 {
        one(&*receiver).await.receipt.abandon(Duration::ZERO).await.unwrap();
    }
    nothing(&*receiver).await;
    let dead_letters = queue.transport.open(&queue.dead_letters(), Default::default()).await;
    let dead = one(&*dead_letters.unwrap()).await;
    let reason = dead.receipt.metadata().dead_letter.clone().unwrap().reason;
    assert_eq!(reason.as_deref(), Some("MaxDeliveryCountExceeded"));
}

#[tokio::test]
async fn a_deferred_message_comes_by_its_number() {
    let queue = Queue::locking("deferred", SHORT).await;
    let receiver = queue.open().await;
    let sent = Message::new("aside").with_attribute("tenant", "acme");
    queue.send(sent.clone()).await;
    let held = one(&*receiver).await;
    let number = held.receipt.metadata().sequence_number.unwrap();
    held.receipt.defer().await.unwrap();
    nothing(&*receiver).await;

    let deferred = receiver.recv_deferred(number).await.unwrap().expect("it comes");
    assert_eq!(deferred.message, sent);
    assert_eq!(deferred.receipt.metadata().lock_duration, Some(SHORT));
    assert!(receiver.recv_deferred(number).await.unwrap().is_none(), "it is locked");
    deferred.receipt.extend(SHORT).await.unwrap();
    deferred.receipt.abandon(Duration::ZERO).await.unwrap();
    let deferred = receiver.recv_deferred(number).await.unwrap().expect("it comes again");
    deferred.receipt.complete().await.unwrap();
    assert!(receiver.recv_deferred(number).await.unwrap().is_none(), "it is gone");
}

#[tokio::test]
async fn a_delivery_can_be_settled_after_its_receiver_is_gone() {
    let queue = Queue::locking("outlives", SHORT).await;
    let receiver = queue.open().await;
    queue.send_all(vec![Message::new("a"), Message::new("b")]).await;
    let mut held = many(&*receiver, 2).await;
    receiver.close().await.unwrap();
    held.remove(0).receipt.complete().await.unwrap();
    drop(receiver);
    held.remove(0).receipt.complete().await.unwrap();
    outlast_lock().await;
    assert_eq!(queue.count("active").await, 0);
}

#[tokio::test]
async fn a_batch_is_settled_message_by_message_in_its_order() {
    let queue = Queue::locking("settle-batch", SHORT).await;
    let receiver = queue.open().await;
    queue.send_all(vec![Message::new("a")]).await;
    let stale = one(&*receiver).await;
    outlast_lock().await;
    queue.send_all(vec![Message::new("b"), Message::new("c")]).await;
    let mut held = many(&*receiver, 3).await;
    held.sort_by_key(body);
    let mut batch: Vec<_> =
        held.into_iter().map(|delivery| (delivery.receipt, Settlement::Complete)).collect();
    batch.insert(1, (stale.receipt, Settlement::Complete));
    let results = receiver.settle_batch(batch).await;
    let kinds: Vec<_> = results.into_iter().map(settle_kind).collect();
    assert_eq!(kinds, [None, Some(Kind::LockLost), None, None]);
    assert_eq!(queue.count("active").await, 0);
}

#[tokio::test]
async fn without_the_request_the_link_settles_unconfirmed() {
    let queue = Queue::new("on-link").await;
    let receiver = queue.open().await;
    queue.send_all((0..3).map(|n| Message::new(format!("m{n}"))).collect()).await;
    let mut held = many(&*receiver, 3).await;
    let not_offered = json!({ "condition": "amqp:not-implemented", "status": 501, "count": 3, "description": "" });
    queue.fault("fail-management", not_offered).await;
    let settlements = [
        Settlement::Complete,
        Settlement::DeadLetter { reason: "Broken".into(), description: "it is".into() },
        Settlement::Abandon { delay: Duration::ZERO },
    ];
    for settlement in settlements {
        let settled = held.remove(0).receipt.settle(settlement).await.unwrap();
        assert_eq!(settled, Certainty::Sent);
    }
    let again = one(&*receiver).await;
    assert_eq!((body(&again).as_str(), again.receipt.metadata().delivery_count), ("m2", 2));
    let dead_letters = queue.transport.open(&queue.dead_letters(), Default::default()).await;
    let dead = dead_letters.unwrap().recv(1, PATIENCE).await.unwrap().remove(0);
    let info = dead.receipt.metadata().dead_letter.clone().unwrap();
    assert_eq!(info.description.as_deref(), Some("it is"));
    assert_eq!(queue.count("active").await, 1);
}

#[tokio::test]
async fn an_error_of_the_broker_gives_the_receipt_back() {
    let queue = Queue::new("gives-back").await;
    let receiver = queue.open().await;
    queue.send(Message::new("m")).await;
    let held = one(&*receiver).await;
    queue.fault("fail-management", json!({})).await;
    let failed = held.receipt.complete().await.unwrap_err();
    assert_eq!(failed.error.kind(), &Kind::Throttled { retry_after: None });
    failed.receipt.complete().await.unwrap();
    assert_eq!(queue.count("active").await, 0);
}
