//! How many requests messages take: what comes together goes together.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use sealmq_queue_core::{Receiver, ReceiverOptions, Settlement, Source, Transport};

use crate::support::proxy::Proxy;
use crate::support::*;

const MESSAGES: usize = 100;

async fn open_ahead(transport: &impl Transport, queue: &str) -> Box<dyn Receiver> {
    let options = ReceiverOptions::default().with_prefetch(10);
    transport.open(&Source::queue(queue), options).await.unwrap()
}

#[tokio::test]
async fn batches_of_ten_take_a_tenth_of_a_request_each() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let queue = queue(&transport, settings()).await;
    send(&transport, &queue, numbered(MESSAGES)).await;
    let receiver = open_ahead(&transport, &queue).await;
    let mut left = MESSAGES;
    while left > 0 {
        let batch = receiver.recv(10, PATIENCE).await.unwrap();
        left -= batch.len();
        let batch = batch.into_iter().map(|delivery| (delivery.receipt, Settlement::Complete));
        for result in receiver.settle_batch(batch.collect()).await {
            result.unwrap();
        }
    }
    let count = |action| proxy.count(action);
    println!(
        "{MESSAGES} messages: {} requests to send, {} to receive, {} to complete",
        count("SendMessageBatch"),
        count("ReceiveMessage"),
        count("DeleteMessageBatch")
    );
    assert_eq!(count("SendMessageBatch"), MESSAGES / 10);
    assert_eq!(count("ReceiveMessage"), MESSAGES / 10);
    assert_eq!(count("DeleteMessageBatch"), MESSAGES / 10);
}

#[tokio::test]
async fn batches_of_any_kind_share_requests() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let queue = queue(&transport, settings()).await;
    send(&transport, &queue, numbered(20)).await;
    let receiver = open_ahead(&transport, &queue).await;
    let held = exactly(&*receiver, 20).await;
    let batch = held.into_iter().enumerate().map(|(n, delivery)| {
        let delay = Duration::from_secs(60);
        let how = if n % 2 == 0 { Settlement::Complete } else { Settlement::Abandon { delay } };
        (delivery.receipt, how)
    });
    let results = receiver.settle_batch(batch.collect()).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(proxy.count("DeleteMessageBatch"), 1);
    assert_eq!(proxy.count("ChangeMessageVisibilityBatch"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn handlers_that_complete_one_by_one_share_requests_under_load() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let queue = queue(&transport, settings()).await;
    send(&transport, &queue, numbered(MESSAGES)).await;
    let receiver: Arc<dyn Receiver> = Arc::from(open_ahead(&transport, &queue).await);
    let handlers = (0..20).map(|_| {
        let receiver = Arc::clone(&receiver);
        tokio::spawn(async move {
            let mut handled = 0;
            loop {
                let batch = receiver.recv(1, Duration::from_millis(600)).await.unwrap();
                let Some(delivery) = batch.into_iter().next() else { return handled };
                delivery.receipt.complete().await.unwrap();
                handled += 1;
            }
        })
    });
    let handled = join_all(handlers.collect::<Vec<_>>()).await;
    assert_eq!(handled.into_iter().map(Result::unwrap).sum::<usize>(), MESSAGES);
    let requests = proxy.count("DeleteMessageBatch");
    println!("{MESSAGES} completions by 20 handlers: {requests} requests");
    assert!(requests <= MESSAGES / 2, "{requests} requests");
}

#[tokio::test]
async fn a_single_settlement_does_not_wait_for_company() {
    let transport = standard().await;
    let queue = queue(&transport, settings()).await;
    send(&transport, &queue, numbered(1)).await;
    let receiver = open(&transport, &queue).await;
    let held = one(&*receiver).await;
    let start = std::time::Instant::now();
    held.receipt.complete().await.unwrap();
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_queue_is_looked_up_once() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let queue = queue(&transport, settings()).await;
    for _ in 0..3 {
        send(&transport, &queue, numbered(1)).await;
        open(&transport, &queue).await;
    }
    assert_eq!(proxy.count("GetQueueUrl"), 1);
    assert_eq!(proxy.count("SendMessageBatch"), 3);
}
