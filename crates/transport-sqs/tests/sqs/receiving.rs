//! Receiving: waiting, being dropped while waiting, and what is fetched ahead.

use std::time::{Duration, Instant};

use sealmq_queue_core::{
    Feature, Message, ReceiveMode, ReceiverOptions, Source, Transport, TransportErrorKind,
};

use crate::support::proxy::Proxy;
use crate::support::*;

#[tokio::test]
async fn an_empty_queue_gives_an_empty_batch_when_the_wait_is_over() {
    let transport = standard().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    for millis in [0, 300, 1_000, 1_300, 2_000] {
        let wait = Duration::from_millis(millis);
        let start = Instant::now();
        let batch = receiver.recv(10, wait).await.unwrap();
        let took = start.elapsed();
        assert!(batch.is_empty());
        assert!(took >= wait && took < wait + LAG, "{took:?} of {wait:?}");
    }
}

#[tokio::test]
async fn a_message_that_arrives_ends_the_wait() {
    let transport = standard().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    let start = Instant::now();
    let send_late = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        send(&transport, &queue, numbered(1)).await;
    };
    let (batch, ()) = tokio::join!(receiver.recv(10, 2 * LAG), send_late);
    assert_eq!(batch.unwrap().len(), 1);
    assert!(start.elapsed() < LAG, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_delivery_says_what_the_queue_knows_of_it() {
    let transport = standard().await;
    let queue = queue(&transport, short_locks()).await;
    let receiver = open(&transport, &queue).await;
    send(&transport, &queue, numbered(1)).await;
    let first = one(&*receiver).await;
    let metadata = first.receipt.metadata().clone();
    assert_eq!(metadata.delivery_count, 1);
    assert_eq!(metadata.lock_duration, Some(2 * SECOND), "the queue's own");
    assert_eq!(metadata.dead_letter, None);
    let age = metadata.enqueued_at.unwrap().elapsed().unwrap_or_default();
    assert!(age < 60 * SECOND, "{age:?}");
    drop(first);
    let again = one(&*receiver).await;
    assert_eq!(again.receipt.metadata().broker_id, metadata.broker_id);
    assert_eq!(again.receipt.metadata().delivery_count, 2);
}

#[tokio::test]
async fn a_receiver_locks_for_as_long_as_it_asks() {
    let transport = standard().await;
    let queue = queue(&transport, settings()).await;
    let source = Source::queue(&queue);
    let options = ReceiverOptions::default().with_lock_duration(Duration::from_millis(1_200));
    let receiver = transport.open(&source, options).await.unwrap();
    send(&transport, &queue, numbered(1)).await;
    let held = one(&*receiver).await;
    assert_eq!(held.receipt.metadata().lock_duration, Some(2 * SECOND), "whole seconds");
    let start = Instant::now();
    one(&*receiver).await;
    assert!(start.elapsed() < 25 * SECOND, "the queue's own lock is 30 s");
    for lock in [Duration::ZERO, Duration::from_secs(43_201)] {
        let options = ReceiverOptions::default().with_lock_duration(lock);
        let error = transport.open(&source, options).await.err().unwrap();
        assert_eq!(error.kind(), &TransportErrorKind::InvalidInput { field: "lock_duration" });
    }
}

#[tokio::test]
async fn what_sqs_does_not_have_is_refused_before_any_request() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let options = ReceiverOptions::default().with_mode(ReceiveMode::ReceiveAndDelete);
    let error = transport.open(&Source::queue("missing"), options).await.err().unwrap();
    assert!(matches!(error.kind(), TransportErrorKind::Unsupported { .. }), "{error}");
    assert!(transport.peek(&Source::queue("missing"), 0, 1).await.is_err());
    assert!(transport.cancel_scheduled("missing", 1).await.is_err());
    assert!(!transport.capabilities().has(Feature::Sessions));
    assert_eq!(proxy.total(), 0);
}

#[tokio::test]
async fn a_dropped_recv_loses_nothing() {
    let proxy = Proxy::start().await;
    let transport = proxy.polling_long().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    let cut_off = Duration::from_millis(300);
    for _ in 0..3 {
        assert!(tokio::time::timeout(cut_off, receiver.recv(5, PATIENCE)).await.is_err());
    }
    assert_eq!(proxy.count("ReceiveMessage"), 1, "the poll outlives the calls and is taken up");
    send(&transport, &queue, numbered(1)).await;
    let there = async {
        loop {
            tokio::time::sleep(SECOND).await; // the poll ends while nobody waits
            let batch = receiver.recv(5, Duration::ZERO).await.unwrap();
            if !batch.is_empty() {
                return batch;
            }
        }
    };
    let batch = tokio::time::timeout(PATIENCE, there).await.expect("it comes by the one poll");
    assert_eq!(batch.len(), 1);
    assert_eq!(batch[0].receipt.metadata().delivery_count, 1);
    assert_eq!(proxy.count("ReceiveMessage"), 1);
}

#[tokio::test]
async fn calls_that_wait_at_once_share_a_poll() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    send(&transport, &queue, numbered(4)).await;
    let (a, b) = tokio::join!(receiver.recv(2, 5 * SECOND), receiver.recv(2, 5 * SECOND));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!((a.len(), b.len()), (2, 2));
    assert_eq!(bodies(a.iter().chain(&b)).len(), 4);
    assert!(proxy.count("ReceiveMessage") <= 2);
}

#[tokio::test]
async fn a_short_wait_returns_while_a_long_one_goes_on() {
    let transport = standard().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    let start = Instant::now();
    let long = async { (receiver.recv(1, 6 * SECOND).await, start.elapsed()) };
    let short = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let batch = receiver.recv(1, Duration::from_millis(500)).await.unwrap();
        (batch.len(), start.elapsed())
    };
    let ((long, in_the_end), (count, took)) = tokio::join!(long, short);
    assert!(long.unwrap().is_empty());
    assert_eq!(count, 0);
    assert!(took < in_the_end, "{took:?} and {in_the_end:?}");
}

#[tokio::test]
async fn fetched_ahead_is_handed_out_without_asking_again() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let queue = queue(&transport, settings()).await;
    let options = ReceiverOptions::default().with_prefetch(10);
    let receiver = transport.open(&Source::queue(&queue), options).await.unwrap();
    send(&transport, &queue, numbered(10)).await;
    let mut received = Vec::new();
    for _ in 0..10 {
        received.push(one(&*receiver).await);
    }
    assert_eq!(bodies(&received).len(), 10);
    assert_eq!(proxy.count("ReceiveMessage"), 1);
}

#[tokio::test]
async fn what_was_fetched_ahead_too_long_ago_is_not_handed_out() {
    let transport = standard().await;
    let queue = queue(&transport, short_locks()).await;
    let options = ReceiverOptions::default().with_prefetch(10);
    let receiver = transport.open(&Source::queue(&queue), options).await.unwrap();
    send(&transport, &queue, numbered(5)).await;
    let first = one(&*receiver).await;
    first.receipt.complete().await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_300)).await; // more than half of the lock
    let mut seen = vec![first.message];
    for _ in 1..5 {
        let delivery = one(&*receiver).await;
        assert!(delivery.receipt.metadata().lock_duration.unwrap() >= SECOND);
        seen.push(delivery.message.clone());
        delivery.receipt.complete().await.unwrap();
    }
    seen.sort_by(|a, b| a.id.cmp(&b.id));
    seen.dedup_by(|a, b| a.id == b.id);
    assert_eq!(seen.len(), 5, "each came once, under a lock to settle it by");
    outlast_short_lock().await;
    nothing(&*receiver).await;
}

#[tokio::test]
async fn a_missing_queue_cannot_be_opened() {
    let transport = standard().await;
    for source in [Source::queue(unique("missing")), Source::dead_letter(unique("missing"))] {
        let error = transport.open(&source, ReceiverOptions::default()).await.err().unwrap();
        assert_eq!(error.kind(), &TransportErrorKind::NotFound);
        assert!(error.to_string().contains("missing-"), "{error}");
        let depth = transport.depth(&source).await.unwrap_err();
        assert_eq!(depth.kind(), &TransportErrorKind::NotFound);
    }
}

#[tokio::test]
async fn the_depth_counts_what_waits() {
    let transport = standard().await;
    let queue = queue(&transport, settings()).await;
    let (source, dead_letters) = (Source::queue(&queue), Source::dead_letter(&queue));
    assert_eq!(transport.depth(&source).await.unwrap(), 0);
    send(&transport, &queue, vec![Message::new("a"), Message::new("b")]).await;
    assert_eq!(transport.depth(&source).await.unwrap(), 2);
    let receiver = open(&transport, &queue).await;
    one(&*receiver).await.receipt.dead_letter("Broken", "").await.unwrap();
    assert_eq!(transport.depth(&source).await.unwrap(), 1);
    assert_eq!(transport.depth(&dead_letters).await.unwrap(), 1);
}
