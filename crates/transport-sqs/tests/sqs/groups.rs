//! Groups of a FIFO queue that are fetched ahead: handed out one by one, and given back in order.

use std::time::{Duration, Instant};

use sealmq_queue_core::{Delivery, Message, Receiver, Settlement};

use crate::support::proxy::Proxy;
use crate::support::*;

fn of_groups(bodies: &[&str]) -> Vec<Message> {
    let message = |body: &&str| Message::new((*body).to_owned()).with_session_id(&body[..1]);
    bodies.iter().map(message).collect()
}

fn body(delivery: &Delivery) -> String {
    bodies([delivery]).remove(0)
}

async fn fetch(receiver: &dyn Receiver) -> Vec<Delivery> {
    receiver.recv(10, PATIENCE).await.unwrap()
}

/// Takes and completes these, one after the other.
async fn complete_in_order(receiver: &dyn Receiver, expected: &[&str]) {
    for expected in expected {
        let delivery = one(receiver).await;
        assert_eq!(body(&delivery), *expected);
        delivery.receipt.complete().await.unwrap();
    }
}

#[tokio::test]
async fn ten_messages_come_with_one_request_and_are_handed_out_one_of_each_group() {
    let proxy = Proxy::start().await;
    let transport = proxy.fifo().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    send(&transport, &queue, of_groups(&["a1", "a2", "a3", "b1", "b2", "c1"])).await;
    let mut rounds = Vec::new();
    for _ in 0..3 {
        let batch = fetch(&*receiver).await;
        rounds.push(bodies(&batch).join(" "));
        let all = batch.into_iter().map(|delivery| (delivery.receipt, Settlement::Complete));
        for settled in receiver.settle_batch(all.collect()).await {
            settled.unwrap();
        }
    }
    assert_eq!(rounds, ["a1 b1 c1", "a2 b2", "a3"]);
    assert_eq!(proxy.count("ReceiveMessage"), 1);
    assert_eq!(proxy.count("DeleteMessageBatch"), 3);
}

#[tokio::test]
async fn an_abandoned_message_and_those_behind_it_go_back_in_one_request() {
    let proxy = Proxy::start().await;
    let transport = proxy.fifo().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    send(&transport, &queue, of_groups(&["a1", "a2", "a3", "b1", "b2"])).await;
    let mut batch = fetch(&*receiver).await;
    batch.remove(0).receipt.abandon(Duration::ZERO).await.unwrap();
    assert_eq!(proxy.count("ChangeMessageVisibilityBatch"), 1);
    let other = open(&fifo().await, &queue).await;
    complete_in_order(&*other, &["a1", "a2", "a3"]).await;
    batch.remove(0).receipt.complete().await.unwrap();
    complete_in_order(&*receiver, &["b2"]).await; // the other group stayed
}

#[tokio::test]
async fn a_message_that_fails_again_and_again_does_not_use_up_those_behind_it() {
    let transport = fifo().await;
    let queue = queue(&transport, settings().with_max_receive_count(4)).await;
    let receiver = open(&transport, &queue).await;
    send(&transport, &queue, of_groups(&["a1", "a2"])).await;
    for attempt in 1..=4 {
        let failing = fetch(&*receiver).await.remove(0);
        assert_eq!((body(&failing).as_str(), delivery_count(&failing)), ("a1", attempt));
        failing.receipt.abandon(Duration::ZERO).await.unwrap();
    }
    let next = fetch(&*receiver).await.remove(0);
    assert_eq!((body(&next).as_str(), delivery_count(&next)), ("a2", 2));
    next.receipt.complete().await.unwrap();
    let dead = open_dead_letters(&transport, &queue).await;
    assert_eq!(body(&one(&*dead).await), "a1");
}

fn delivery_count(delivery: &Delivery) -> u32 {
    delivery.receipt.metadata().delivery_count
}

#[tokio::test]
async fn a_dropped_message_holds_its_group_for_its_lock_and_then_comes_first() {
    let transport = fifo().await;
    let queue = queue(&transport, short_locks()).await;
    let receiver = open(&transport, &queue).await;
    send(&transport, &queue, of_groups(&["a1", "a2", "a3"])).await;
    let start = Instant::now();
    drop(fetch(&*receiver).await);
    complete_in_order(&*receiver, &["a1", "a2", "a3"]).await;
    assert!(start.elapsed() > SECOND, "{:?}", start.elapsed());
    nothing(&*receiver).await;
}

#[tokio::test]
async fn a_message_whose_lock_ran_out_comes_first_while_it_is_still_held() {
    let transport = fifo().await;
    let queue = queue(&transport, short_locks()).await;
    let receiver = open(&transport, &queue).await;
    send(&transport, &queue, of_groups(&["a1", "a2", "a3"])).await;
    let late = fetch(&*receiver).await.remove(0);
    let again = fetch(&*receiver).await.remove(0);
    assert_eq!(body(&again), "a1");
    late.receipt.complete().await.unwrap_err(); // which gives nothing of the new holder back
    again.receipt.complete().await.unwrap();
    complete_in_order(&*receiver, &["a2", "a3"]).await;
    nothing(&*receiver).await;
}

#[tokio::test]
async fn a_longer_lock_is_a_longer_turn() {
    let transport = fifo().await;
    let queue = queue(&transport, short_locks()).await;
    let receiver = open(&transport, &queue).await;
    send(&transport, &queue, of_groups(&["a1", "a2"])).await;
    let long = fetch(&*receiver).await.remove(0);
    long.receipt.extend(6 * SECOND).await.unwrap();
    let quiet = receiver.recv(10, 3 * SECOND).await.unwrap();
    assert!(quiet.is_empty(), "{quiet:?}");
    long.receipt.complete().await.unwrap();
    complete_in_order(&*receiver, &["a2"]).await;
}

#[tokio::test]
async fn closing_gives_back_what_waits_for_its_turn() {
    let transport = fifo().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    send(&transport, &queue, of_groups(&["a1", "a2", "a3"])).await;
    let first = fetch(&*receiver).await.remove(0);
    receiver.close().await.unwrap();
    first.receipt.complete().await.unwrap();
    complete_in_order(&*open(&transport, &queue).await, &["a2", "a3"]).await;
}
