//! Closing: once and for all, without waiting for anybody, and without losing anything.

use std::time::{Duration, Instant};

use sealmq_queue_core::{Message, ReceiverOptions, Transport, TransportErrorKind};
use tokio::task::JoinSet;

use crate::support::{PATIENCE, QUIET, Queue, connect, kind, nothing, one, take, try_send};

#[tokio::test]
async fn a_closed_connection_does_nothing_any_more() {
    let queue = Queue::new().await;
    let closed = connect().await;
    let open = async || closed.open(&queue.source(), ReceiverOptions::default()).await;
    let receiver = open().await.unwrap();
    queue.send(Message::new("held")).await;
    let held = one(&*receiver).await;
    closed.close().await.unwrap();

    let sent = try_send(&closed, &queue.name, Message::new("too late")).await;
    assert_eq!(kind(sent), TransportErrorKind::Closed);
    assert_eq!(kind(receiver.recv(1, PATIENCE).await), TransportErrorKind::Closed);
    assert_eq!(kind(open().await.map(drop)), TransportErrorKind::Closed);
    assert_eq!(kind(closed.health().await), TransportErrorKind::Closed);
    assert_eq!(kind(closed.depth(&queue.source()).await), TransportErrorKind::Closed);
    assert_eq!(kind(closed.peek(&queue.source(), 0, 1).await), TransportErrorKind::Closed);
    assert_eq!(kind(closed.redrive(&queue.name, 1).await), TransportErrorKind::Closed);
    let settled = held.receipt.complete().await.unwrap_err();
    assert_eq!(settled.error.kind(), &TransportErrorKind::Closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_again_also_at_the_same_time_is_fine() {
    let queue = Queue::new().await;
    let options = ReceiverOptions::default().with_prefetch(5);
    let receiver = std::sync::Arc::new(queue.open_with(options).await);
    let mut closing = JoinSet::new();
    for _ in 0..10 {
        let (receiver, transport) = (receiver.clone(), queue.transport.clone());
        closing.spawn(async move {
            receiver.close().await.unwrap();
            transport.close().await.unwrap();
        });
    }
    closing.join_all().await;
    receiver.close().await.unwrap();
    queue.transport.close().await.unwrap();
}

#[tokio::test]
async fn a_pending_recv_ends_when_its_receiver_closes() {
    let queue = Queue::new().await;
    for prefetch in [0, 5] {
        let receiver = queue.open_with(ReceiverOptions::default().with_prefetch(prefetch)).await;
        let start = Instant::now();
        let close = async {
            tokio::time::sleep(QUIET).await;
            receiver.close().await.unwrap();
        };
        let (pending, ()) = tokio::join!(receiver.recv(1, PATIENCE), close);
        assert_eq!(kind(pending), TransportErrorKind::Closed);
        assert!(start.elapsed() < PATIENCE / 2);
    }
}

#[tokio::test]
async fn a_pending_recv_ends_when_its_connection_closes() {
    let queue = Queue::new().await;
    let receiver = queue.open().await;
    let close = async {
        tokio::time::sleep(QUIET).await;
        queue.transport.close().await.unwrap();
    };
    let (pending, ()) = tokio::join!(receiver.recv(1, PATIENCE), close);
    assert_eq!(kind(pending), TransportErrorKind::Closed);
}

#[tokio::test]
async fn what_was_sent_outlives_its_connection() {
    let queue = Queue::new().await;
    let sender = connect().await;
    try_send(&sender, &queue.name, Message::new("sent and gone")).await.unwrap();
    sender.close().await.unwrap();
    take(&*queue.open().await, 1).await;
}

#[tokio::test]
async fn receivers_that_come_and_go_lose_nothing() {
    let queue = Queue::short_lock().await;
    let mut left = queue.send_many(200).await;
    for prefetch in [0, 10, 0, 10] {
        let receiver = queue.open_with(ReceiverOptions::default().with_prefetch(prefetch)).await;
        for _ in 0..3 {
            let batch = receiver.recv(10, PATIENCE).await.unwrap();
            for (index, delivery) in batch.into_iter().enumerate() {
                if index % 2 == 0 {
                    assert!(left.remove(&delivery.message.id), "a completed message comes again");
                    delivery.receipt.complete().await.unwrap();
                }
            }
        }
        receiver.close().await.unwrap();
    }
    let receiver = queue.open().await;
    for message in take(&*receiver, left.len()).await {
        assert!(left.remove(&message.id));
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    nothing(&*receiver).await;
}
