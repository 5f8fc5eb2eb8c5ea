//! Receiving: at once if something is there, as soon as it comes, or not at all.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sealmq_queue_core::{
    Message, ReceiveMode, ReceiverOptions, Source, Transport, TransportErrorKind,
};
use sealmq_transport_nats::NatsQueueSettings;
use tokio::task::JoinSet;

use crate::support::{
    PATIENCE, QUIET, Queue, SHORT_LOCK, connect, invalid_field, kind, nothing, one, take, unique,
};

#[tokio::test]
async fn an_empty_queue_gives_nothing_once_the_wait_is_over() {
    let queue = Queue::new().await;
    let receiver = queue.open().await;
    for wait in [Duration::ZERO, Duration::from_millis(500)] {
        let start = Instant::now();
        assert!(receiver.recv(10, wait).await.unwrap().is_empty());
        assert!(start.elapsed() >= wait.mul_f64(0.9));
        assert!(start.elapsed() < wait + PATIENCE);
    }
}

#[tokio::test]
async fn what_is_there_is_received_without_waiting() {
    let queue = Queue::new().await;
    queue.send_many(7).await;
    let receiver = queue.open().await;
    let start = Instant::now();
    let batch = receiver.recv(10, PATIENCE).await.unwrap();
    assert_eq!(batch.len(), 7, "all that is there comes in one batch");
    assert!(start.elapsed() < PATIENCE / 2);
    assert!(receiver.recv(10, Duration::ZERO).await.unwrap().is_empty());
}

#[tokio::test]
async fn without_a_wait_what_is_there_is_received_all_the_same() {
    let queue = Queue::new().await;
    queue.send_many(3).await;
    let receiver = queue.open().await;
    assert_eq!(receiver.recv(2, Duration::ZERO).await.unwrap().len(), 2);
    assert_eq!(receiver.recv(2, Duration::ZERO).await.unwrap().len(), 1);
    assert!(receiver.recv(0, PATIENCE).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_message_that_comes_late_ends_the_waiting() {
    let queue = Queue::new().await;
    let receiver = queue.open().await;
    let late = async {
        tokio::time::sleep(QUIET).await;
        queue.send(Message::new("late")).await;
        Instant::now()
    };
    let (batch, sent_at) = tokio::join!(receiver.recv(10, PATIENCE), late);
    assert_eq!(batch.unwrap().len(), 1);
    assert!(sent_at.elapsed() < PATIENCE / 2);
}

#[tokio::test]
async fn a_long_wait_is_kept_alive_by_heartbeats() {
    let queue = Queue::new().await;
    let receiver = queue.open().await;
    let late = async {
        tokio::time::sleep(Duration::from_secs(12)).await;
        queue.send(Message::new("late")).await;
    };
    let (batch, ()) = tokio::join!(receiver.recv(1, Duration::from_secs(60)), late);
    assert_eq!(batch.unwrap().len(), 1);
}

#[tokio::test]
async fn the_first_delivery_says_what_the_broker_knows() {
    let queue = Queue::short_lock().await;
    let receipt = queue.send(Message::new("body")).await;
    let delivery = one(&*queue.open().await).await;
    let metadata = delivery.receipt.metadata();
    assert_eq!(metadata.delivery_count, 1);
    assert_eq!(metadata.sequence_number, receipt.sequence_number);
    assert_eq!(metadata.lock_duration, Some(SHORT_LOCK));
    assert!(metadata.enqueued_at.unwrap().elapsed().unwrap() < Duration::from_secs(60));
    assert_eq!(metadata.dead_letter, None);
}

#[tokio::test]
async fn the_brokers_id_is_that_of_the_copy() {
    let queue = Queue::new().await;
    let receiver = queue.open().await;
    queue.send(Message::new("same bytes")).await;
    let first = one(&*receiver).await;
    let id = first.receipt.metadata().broker_id.clone();
    first.receipt.abandon(Duration::ZERO).await.unwrap();
    let again = one(&*receiver).await;
    assert_eq!(again.receipt.metadata().broker_id, id);
    assert_eq!(again.receipt.metadata().delivery_count, 2);
    again.receipt.complete().await.unwrap();
    queue.send(Message::new("same bytes")).await;
    assert_ne!(one(&*receiver).await.receipt.metadata().broker_id, id);
}

#[tokio::test(flavor = "multi_thread")]
async fn competing_receivers_get_each_message_once() {
    let queue = Queue::new().await;
    let ids = queue.send_many(300).await;
    let mut receivers = JoinSet::new();
    for prefetch in [0, 0, 20, 20] {
        let receiver = queue.open_with(ReceiverOptions::default().with_prefetch(prefetch)).await;
        receivers.spawn(async move {
            let mut ids = Vec::new();
            loop {
                let batch = receiver.recv(7, Duration::from_secs(2)).await.unwrap();
                if batch.is_empty() {
                    return ids;
                }
                for delivery in batch {
                    ids.push(delivery.message.id);
                    delivery.receipt.complete().await.unwrap();
                }
            }
        });
    }
    let taken: Vec<String> = receivers.join_all().await.into_iter().flatten().collect();
    assert_eq!(taken.len(), ids.len());
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), ids);
}

#[tokio::test]
async fn a_recv_that_is_dropped_loses_nothing() {
    // What the server sends in the very moment in which its inbox goes away waits for its lock.
    let queue = Queue::short_lock().await;
    let receiver = queue.open().await;
    let ids = queue.send_many(0).await;
    assert!(ids.is_empty());
    for round in 0..20 {
        let dropped =
            tokio::time::timeout(Duration::from_millis(round), receiver.recv(5, PATIENCE));
        let (dropped, ()) = tokio::join!(dropped, async {
            tokio::time::sleep(Duration::from_millis(round)).await;
            queue.send(Message::new("body")).await;
        });
        match dropped {
            Ok(batch) => {
                for delivery in batch.unwrap() {
                    delivery.receipt.complete().await.unwrap();
                }
            }
            Err(_) => {
                take(&*receiver, 1).await;
            }
        }
    }
    nothing(&*receiver).await;
}

#[tokio::test]
async fn what_is_received_and_deleted_never_comes_again() {
    let queue = Queue::short_lock().await;
    queue.send_many(3).await;
    let mode = ReceiveMode::ReceiveAndDelete;
    let receiver = queue.open_with(ReceiverOptions::default().with_mode(mode)).await;
    let batch = receiver.recv(10, PATIENCE).await.unwrap();
    assert_eq!(batch.len(), 3);
    for delivery in batch {
        assert_eq!(delivery.receipt.metadata().lock_duration, None);
        let refused = delivery.receipt.complete().await.unwrap_err();
        let unsupported = TransportErrorKind::Unsupported { feature: "settlement" };
        assert_eq!(refused.error.kind(), &unsupported);
    }
    tokio::time::sleep(2 * SHORT_LOCK).await;
    nothing(&*receiver).await;
}

#[tokio::test]
async fn a_missing_queue_is_not_found() {
    let transport = connect().await;
    for source in [Source::queue(unique("missing")), Source::dead_letter(unique("missing"))] {
        let opened = transport.open(&source, ReceiverOptions::default()).await;
        assert_eq!(kind(opened.map(drop)), TransportErrorKind::NotFound);
    }
}

#[tokio::test]
async fn a_queue_that_is_deleted_meanwhile_is_not_found() {
    let queue = Queue::new().await;
    let receiver = queue.open().await;
    let delete = async {
        tokio::time::sleep(QUIET).await;
        queue.transport.delete_queue(&queue.name).await.unwrap();
    };
    let (pending, ()) = tokio::join!(receiver.recv(1, PATIENCE), delete);
    assert_eq!(kind(pending), TransportErrorKind::NotFound);
    assert_eq!(kind(receiver.recv(1, QUIET).await), TransportErrorKind::NotFound);
}

#[tokio::test]
async fn a_lock_of_the_receivers_own_is_refused() {
    let queue = Queue::short_lock().await;
    let open = async |lock| {
        let options = ReceiverOptions::default().with_lock_duration(lock);
        queue.transport.open(&queue.dead_source(), options).await
    };
    assert_eq!(invalid_field(open(2 * SHORT_LOCK).await.map(drop)), "lock_duration");
    assert!(open(SHORT_LOCK).await.is_ok());
}

#[tokio::test]
async fn deferring_is_refused_before_any_io() {
    let queue = Queue::new().await;
    let receiver = queue.open().await;
    let unsupported = TransportErrorKind::Unsupported { feature: "deferral" };
    assert_eq!(kind(receiver.recv_deferred(1).await), unsupported);
    queue.send(Message::new("body")).await;
    let refused = one(&*receiver).await.receipt.defer().await.unwrap_err();
    assert_eq!(refused.error.kind(), &unsupported);
    refused.receipt.complete().await.unwrap();
}

#[tokio::test]
async fn without_a_wait_nothing_comes_while_as_many_are_in_flight_as_may_be() {
    let queue = Queue::with(NatsQueueSettings::default().with_max_ack_pending(2)).await;
    queue.send_many(3).await;
    let receiver = queue.open().await;
    let held = receiver.recv(2, PATIENCE).await.unwrap();
    assert_eq!(held.len(), 2);
    let none = receiver.recv(1, Duration::ZERO).await.unwrap();
    assert!(none.is_empty(), "{none:?}");
    for delivery in held {
        delivery.receipt.complete().await.unwrap();
    }
    let next = one(&*receiver).await;
    assert_eq!(next.receipt.metadata().delivery_count, 1);
}
