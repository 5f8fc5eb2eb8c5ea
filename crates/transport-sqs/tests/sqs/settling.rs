//! Settling: completing, abandoning, extending, alone and in batches.

use std::time::{Duration, Instant};

use sealmq_queue_core::{Certainty, Settlement, TransportErrorKind};

use crate::support::proxy::{Answer, Proxy, success};
use crate::support::*;

#[tokio::test]
async fn a_completed_message_does_not_come_again() {
    let transport = standard().await;
    let queue = queue(&transport, short_locks()).await;
    let receiver = open(&transport, &queue).await;
    send(&transport, &queue, numbered(1)).await;
    let certainty = one(&*receiver).await.receipt.complete().await.unwrap();
    assert_eq!(certainty, Certainty::Sent);
    outlast_short_lock().await;
    nothing(&*receiver).await;
}

#[tokio::test]
async fn an_abandoned_message_comes_again_when_its_delay_is_over() {
    let transport = standard().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    send(&transport, &queue, numbered(1)).await;
    one(&*receiver).await.receipt.abandon(Duration::ZERO).await.unwrap();
    let again = one(&*receiver).await;
    assert_eq!(again.receipt.metadata().delivery_count, 2);
    let start = Instant::now();
    again.receipt.abandon(Duration::from_millis(1_500)).await.unwrap();
    one(&*receiver).await;
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(1_900) && took < 25 * SECOND, "{took:?}");
}

#[tokio::test]
async fn an_extended_lock_lasts_longer() {
    let transport = standard().await;
    let queue = queue(&transport, short_locks()).await;
    let receiver = open(&transport, &queue).await;
    send(&transport, &queue, numbered(1)).await;
    let held = one(&*receiver).await;
    tokio::time::sleep(SECOND).await;
    held.receipt.extend(3 * SECOND).await.unwrap();
    tokio::time::sleep(2 * SECOND).await;
    nothing(&*receiver).await;
    held.receipt.complete().await.unwrap();
    outlast_short_lock().await;
    nothing(&*receiver).await;
}

#[tokio::test]
async fn times_that_sqs_refuses_are_refused_before_any_request() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    send(&transport, &queue, numbered(1)).await;
    let held = one(&*receiver).await;
    let before = proxy.total();
    let over = Duration::from_secs(12 * 3_600 + 1);
    let error = held.receipt.extend(over).await.unwrap_err();
    assert_eq!(error.kind(), &TransportErrorKind::InvalidInput { field: "duration" });
    let error = held.receipt.extend(Duration::ZERO).await.unwrap_err();
    assert_eq!(error.kind(), &TransportErrorKind::InvalidInput { field: "duration" });
    let failed = held.receipt.abandon(over).await.unwrap_err();
    assert_eq!(failed.error.kind(), &TransportErrorKind::InvalidInput { field: "delay" });
    let failed = failed.receipt.defer().await.unwrap_err();
    assert!(matches!(failed.error.kind(), TransportErrorKind::Unsupported { .. }));
    assert!(receiver.recv_deferred(1).await.is_err());
    assert_eq!(proxy.total(), before);
    failed.receipt.complete().await.unwrap();
}

#[tokio::test]
async fn twelve_hours_in_all_are_the_most() {
    let transport = standard().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    send(&transport, &queue, numbered(1)).await;
    let held = one(&*receiver).await;
    tokio::time::sleep(SECOND).await; // a second of the twelve hours is over
    let error = held.receipt.extend(Duration::from_secs(43_200)).await.unwrap_err();
    assert_eq!(error.kind(), &TransportErrorKind::InvalidInput { field: "duration" });
    held.receipt.extend(Duration::from_secs(43_000)).await.unwrap();
}

#[tokio::test]
async fn settling_does_not_wait_for_a_pending_recv() {
    let transport = standard().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    send(&transport, &queue, numbered(1)).await;
    let held = one(&*receiver).await;
    let settle = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let start = Instant::now();
        held.receipt.complete().await.unwrap();
        start.elapsed()
    };
    let (pending, took) = tokio::join!(receiver.recv(1, 6 * SECOND), settle);
    assert!(pending.unwrap().is_empty());
    assert!(took < 5 * SECOND, "{took:?}");
}

#[tokio::test]
async fn a_batch_of_settlements_ends_as_each_was_settled() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    send(&transport, &queue, numbered(5)).await;
    let mut held = exactly(&*receiver, 5).await;
    held.sort_by(|a, b| a.message.body.cmp(&b.message.body));
    let dead_letter =
        Settlement::DeadLetter { reason: "Broken".into(), description: "one of five".into() };
    let how = [
        Settlement::Complete,
        Settlement::Abandon { delay: Duration::ZERO },
        Settlement::Defer,
        dead_letter,
        Settlement::Complete,
    ];
    let batch = held.into_iter().map(|delivery| delivery.receipt).zip(how).collect();
    let results = receiver.settle_batch(batch).await;
    let kinds: Vec<_> = results.iter().map(|result| result.is_ok()).collect();
    assert_eq!(kinds, [true, true, false, true, true]);
    assert_eq!(one(&*receiver).await.message.body, "message 1");
    nothing(&*receiver).await;
    let dead = open_dead_letters(&transport, &queue).await;
    assert_eq!(one(&*dead).await.message.body, "message 3");
}

#[tokio::test]
async fn one_failure_in_a_batch_gives_that_receipt_back() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    send(&transport, &queue, numbered(3)).await;
    let held = exactly(&*receiver, 3).await;
    let ids: Vec<_> = held.iter().map(|d| d.receipt.metadata().broker_id.clone()).collect();
    let answer = r#"{"Successful":[{"Id":"0"},{"Id":"2"}],
        "Failed":[{"Id":"1","Code":"ReceiptHandleIsInvalid","SenderFault":true}]}"#;
    proxy.answer("DeleteMessageBatch", success(answer));
    let batch = held.into_iter().map(|delivery| (delivery.receipt, Settlement::Complete));
    let mut results = receiver.settle_batch(batch.collect()).await;
    assert!(results[0].is_ok() && results[2].is_ok());
    let failed = results.remove(1).unwrap_err();
    assert_eq!(failed.error.kind(), &TransportErrorKind::LockLost);
    assert_eq!(failed.receipt.metadata().broker_id, ids[1]);
    failed.receipt.complete().await.unwrap();
}

#[tokio::test]
async fn a_failed_settlement_can_be_tried_again() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let queue = queue(&transport, short_locks()).await;
    let receiver = open(&transport, &queue).await;
    send(&transport, &queue, numbered(1)).await;
    let held = one(&*receiver).await;
    proxy.answer("DeleteMessageBatch", Answer::Reset);
    let failed = held.receipt.complete().await.unwrap_err();
    assert!(failed.error.is_retryable(), "{}", failed.error);
    failed.receipt.complete().await.unwrap();
    outlast_short_lock().await;
    nothing(&*receiver).await;
}

#[tokio::test]
async fn a_settlement_goes_on_when_nobody_waits_for_it() {
    let transport = standard().await;
    let queue = queue(&transport, short_locks()).await;
    let receiver = open(&transport, &queue).await;
    send(&transport, &queue, numbered(1)).await;
    let held = one(&*receiver).await;
    let settling = held.receipt.complete();
    assert!(tokio::time::timeout(Duration::ZERO, settling).await.is_err());
    outlast_short_lock().await;
    nothing(&*receiver).await;
}
