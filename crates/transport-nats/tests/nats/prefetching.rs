//! Fetching ahead: quicker, without handing out what is locked no more, and given back at the end.

use std::time::Duration;

use sealmq_queue_core::{Receiver, ReceiverOptions, Transport};

use crate::support::{PATIENCE, QUIET, Queue, SHORT_LOCK, eventually, nothing, one, take};

async fn open_ahead(queue: &Queue, prefetch: usize) -> Box<dyn Receiver> {
    queue.open_with(ReceiverOptions::default().with_prefetch(prefetch)).await
}

/// Waits until so many messages of the queue are left to fetch.
async fn left_to_fetch(queue: &Queue, count: u64) {
    eventually("messages are fetched ahead", async || {
        queue.transport.depth(&queue.source()).await.unwrap() == count
    })
    .await;
}

#[tokio::test]
async fn no_more_is_fetched_ahead_than_asked_for() {
    let queue = Queue::new().await;
    queue.send_many(20).await;
    let receiver = open_ahead(&queue, 8).await;
    left_to_fetch(&queue, 12).await;
    tokio::time::sleep(QUIET).await;
    assert_eq!(queue.transport.depth(&queue.source()).await.unwrap(), 12);
    take(&*receiver, 20).await;
    nothing(&*receiver).await;
}

#[tokio::test]
async fn what_was_fetched_ahead_is_receivable_at_once_when_the_receiver_closes() {
    let queue = Queue::new().await; // locks last 30 s
    queue.send_many(10).await;
    let receiver = open_ahead(&queue, 10).await;
    left_to_fetch(&queue, 0).await;
    one(&*receiver).await.receipt.complete().await.unwrap();
    receiver.close().await.unwrap();
    take(&*queue.open().await, 9).await;
}

#[tokio::test]
async fn what_was_fetched_ahead_is_receivable_at_once_when_the_receiver_is_dropped() {
    let queue = Queue::new().await;
    queue.send_many(5).await;
    let receiver = open_ahead(&queue, 5).await;
    left_to_fetch(&queue, 0).await;
    drop(receiver);
    take(&*queue.open().await, 5).await;
}

#[tokio::test]
async fn what_was_fetched_ahead_is_receivable_at_once_when_the_connection_closes() {
    let queue = Queue::new().await;
    let other = Queue { transport: crate::support::connect().await, name: queue.name.clone() };
    queue.send_many(5).await;
    let _receiver = open_ahead(&other, 5).await;
    left_to_fetch(&queue, 0).await;
    other.transport.close().await.unwrap();
    take(&*queue.open().await, 5).await;
}

#[tokio::test]
async fn nothing_is_handed_out_after_its_lock_ran_out_in_the_buffer() {
    let queue = Queue::short_lock().await;
    queue.send_many(4).await;
    let receiver = open_ahead(&queue, 4).await;
    left_to_fetch(&queue, 0).await;
    tokio::time::sleep(2 * SHORT_LOCK).await;
    for _ in 0..4 {
        let delivery = one(&*receiver).await;
        tokio::time::sleep(SHORT_LOCK / 10).await;
        delivery.receipt.complete().await.unwrap();
    }
    tokio::time::sleep(2 * SHORT_LOCK).await;
    nothing(&*receiver).await;
}

#[tokio::test]
async fn a_lock_lasts_its_full_time_from_when_the_message_is_handed_out() {
    let queue = Queue::short_lock().await;
    queue.send_many(1).await;
    let receiver = open_ahead(&queue, 1).await;
    left_to_fetch(&queue, 0).await;
    tokio::time::sleep(SHORT_LOCK.mul_f64(0.5)).await; // half of it is gone in the buffer
    let held = one(&*receiver).await;
    let other = queue.open().await;
    let meanwhile = other.recv(1, SHORT_LOCK.mul_f64(0.8)).await.unwrap();
    if held.receipt.metadata().delivery_count == 1 {
        assert!(meanwhile.is_empty(), "locked for as long as a fresh delivery");
    }
}

#[tokio::test]
async fn an_empty_buffer_is_waited_for() {
    let queue = Queue::new().await;
    let receiver = open_ahead(&queue, 5).await;
    assert!(receiver.recv(5, Duration::ZERO).await.unwrap().is_empty());
    let late = async {
        tokio::time::sleep(QUIET).await;
        queue.send_many(1).await;
    };
    let (batch, ()) = tokio::join!(receiver.recv(5, PATIENCE), late);
    assert_eq!(batch.unwrap().len(), 1);
}
