//! Receiving: waiting, fetching ahead, giving back, stopping.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sealmq_queue_core::{
    Message, ReceiveMode, ReceiverOptions, Transport, TransportErrorKind as Kind,
};
use tokio::time::sleep;

use crate::support::{
    LAG, PATIENCE, QUIET, Queue, body, connect, kind, many, nothing, one, settle_kind,
};

fn messages(count: usize) -> Vec<Message> {
    (0..count).map(|number| Message::new(format!("m{number}"))).collect()
}

fn deleting() -> ReceiverOptions {
    ReceiverOptions::default().with_mode(ReceiveMode::ReceiveAndDelete)
}

#[tokio::test]
async fn waiting_ends_with_the_first_message() {
    let queue = Queue::new("first").await;
    let receiver = queue.open().await;
    let late = async {
        sleep(QUIET).await;
        queue.send(Message::new("late")).await;
    };
    let started = Instant::now();
    let (batch, ()) = tokio::join!(receiver.recv(10, 2 * LAG), late);
    assert_eq!(batch.unwrap().len(), 1);
    assert!(started.elapsed() < LAG, "{:?}", started.elapsed());
}

#[tokio::test]
async fn an_empty_queue_gives_nothing_after_the_wait() {
    let queue = Queue::new("empty").await;
    let receiver = queue.open().await;
    for wait in [Duration::ZERO, Duration::from_millis(700)] {
        let started = Instant::now();
        assert!(receiver.recv(10, wait).await.unwrap().is_empty());
        let took = started.elapsed();
        assert!(took >= wait && took < wait + LAG, "{wait:?}: {took:?}");
    }
    assert!(receiver.recv(0, PATIENCE).await.unwrap().is_empty(), "nothing was asked for");
}

#[tokio::test]
async fn a_message_that_waits_is_received_without_waiting() {
    let queue = Queue::new("waits").await;
    let receiver = queue.open().await;
    queue.send_all(messages(3)).await;
    let mut received = Vec::new();
    while received.len() < 3 {
        received.extend(receiver.recv(10, Duration::ZERO).await.unwrap());
    }
    assert!(received.iter().map(body).eq(["m0", "m1", "m2"]), "in their order");
}

#[tokio::test]
async fn receivers_share_a_queue_and_none_hoards_it() {
    let queue = Queue::new("share").await;
    let (idle, busy) = (queue.open().await, queue.open().await);
    queue.send_all(messages(20)).await;
    // One takes a message and asks for no more: what came with it is given back.
    let held = idle.recv(10, PATIENCE).await.unwrap();
    let rest = many(&*busy, 20 - held.len()).await;
    let mut ids: BTreeSet<_> = rest.iter().map(|delivery| delivery.message.id.clone()).collect();
    ids.extend(held.iter().map(|delivery| delivery.message.id.clone()));
    assert_eq!(ids.len(), 20);
    let counts = rest.iter().map(|delivery| delivery.receipt.metadata().delivery_count);
    assert!(counts.into_iter().all(|count| count == 1), "giving back does not count");
}

#[tokio::test]
async fn what_was_fetched_ahead_is_receivable_once_the_receiver_is_closed() {
    let queue = Queue::new("release").await;
    let receiver = queue.open_with(ReceiverOptions::default().with_prefetch(10)).await;
    queue.send_all(messages(10)).await;
    let first = one(&*receiver).await;
    sleep(QUIET).await;
    assert_eq!(queue.count("locked").await, 10, "all were fetched ahead");
    first.receipt.complete().await.unwrap();
    receiver.close().await.unwrap();
    assert_eq!(queue.count("locked").await, 0);
    let next = queue.open().await;
    for delivery in many(&*next, 9).await {
        assert_eq!(delivery.receipt.metadata().delivery_count, 1, "releasing does not count");
    }
}

#[tokio::test]
async fn what_is_on_its_way_while_the_receiver_closes_is_released() {
    let queue = Queue::new("on-the-way").await;
    for _ in 0..10 {
        let receiver = queue.open_with(ReceiverOptions::default().with_prefetch(50)).await;
        let (_, closed) = tokio::join!(queue.send_all(messages(20)), async {
            sleep(Duration::from_millis(3)).await;
            receiver.close().await
        });
        closed.unwrap();
    }
    assert_eq!(queue.count("locked").await, 0);
    assert_eq!(queue.count("active").await, 200);
}

#[tokio::test]
async fn a_dropped_receiver_gives_back_what_it_fetched() {
    let queue = Queue::new("dropped").await;
    let receiver = queue.open_with(ReceiverOptions::default().with_prefetch(10)).await;
    queue.send_all(messages(10)).await;
    let first = one(&*receiver).await;
    drop(receiver);
    let next = queue.open().await;
    many(&*next, 9).await;
    first.receipt.complete().await.unwrap();
}

#[tokio::test]
async fn a_message_fetched_ahead_is_handed_out_with_a_lock_to_settle_it_by() {
    let queue = Queue::locking("stale", Duration::from_secs(1)).await;
    let receiver = queue.open_with(ReceiverOptions::default().with_prefetch(5)).await;
    queue.send_all(messages(5)).await;
    one(&*receiver).await.receipt.complete().await.unwrap();
    sleep(Duration::from_millis(2500)).await;
    for _ in 1..5 {
        let delivery = one(&*receiver).await;
        let metadata = delivery.receipt.metadata();
        assert_eq!(metadata.delivery_count, 1, "it was given back before its lock ran out");
        assert!(metadata.lock_duration.unwrap() >= Duration::from_millis(200));
        delivery.receipt.complete().await.unwrap();
    }
    nothing(&*receiver).await;
}

#[tokio::test]
async fn a_dropped_call_loses_no_message() {
    let queue = Queue::locking("cancelled", Duration::from_secs(1)).await;
    let receiver = queue.open().await;
    for number in 0..20 {
        let receiving = receiver.recv(5, PATIENCE);
        let sending = queue.send(Message::new(format!("m{number}")));
        tokio::select! {
            biased;
            batch = receiving => {
                for delivery in batch.unwrap() {
                    delivery.receipt.complete().await.unwrap();
                }
            }
            () = async { sending.await; sleep(Duration::from_millis(number % 4)).await; } => {}
        }
    }
    while queue.count("active").await > 0 {
        let batch = receiver.recv(10, PATIENCE).await.unwrap();
        assert!(!batch.is_empty(), "every message comes");
        for delivery in batch {
            delivery.receipt.complete().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_deleted_message_is_gone_when_it_is_handed_out() {
    let queue = Queue::locking("deleted", Duration::from_secs(1)).await;
    let receiver = queue.open_with(deleting()).await;
    queue.send_all(messages(3)).await;
    for delivery in many(&*receiver, 3).await {
        assert_eq!(delivery.receipt.metadata().lock_duration, None);
        let unsupported = settle_kind(delivery.receipt.complete().await);
        assert!(matches!(unsupported, Some(Kind::Unsupported { .. })), "{unsupported:?}");
    }
    assert_eq!(queue.count("active").await, 0);
    sleep(Duration::from_millis(1500)).await;
    nothing(&*receiver).await;
}

#[tokio::test]
async fn a_dropped_call_deletes_no_message_unseen() {
    let queue = Queue::locking("deleted-cancelled", Duration::from_secs(1)).await;
    let receiver = queue.open_with(deleting()).await;
    let mut seen = 0;
    for number in 0..20 {
        let receiving = receiver.recv(5, PATIENCE);
        let sending = queue.send(Message::new("m"));
        tokio::select! {
            biased;
            batch = receiving => seen += batch.unwrap().len(),
            () = async { sending.await; sleep(Duration::from_millis(number % 5)).await; } => {}
        }
    }
    while seen < 20 {
        let batch = receiver.recv(20, PATIENCE).await.unwrap();
        assert!(!batch.is_empty(), "of 20 messages {seen} came");
        seen += batch.len();
    }
    assert_eq!(seen, 20);
    assert_eq!(queue.count("active").await, 0);
}

#[tokio::test]
async fn closing_ends_a_call_that_waits() {
    let queue = Queue::new("close-ends").await;
    let receiver = queue.open().await;
    let close = async {
        sleep(QUIET).await;
        receiver.close().await
    };
    let started = Instant::now();
    let (received, closed) = tokio::join!(receiver.recv(1, 2 * LAG), close);
    closed.unwrap();
    assert_eq!(kind(received), Some(Kind::Closed));
    assert!(started.elapsed() < LAG);
    assert_eq!(kind(receiver.recv(1, QUIET).await), Some(Kind::Closed));
    receiver.close().await.unwrap();
}

#[tokio::test]
async fn a_closed_connection_does_nothing() {
    let queue = Queue::new("closed").await;
    let transport = connect();
    let receiver = transport.open(&queue.source(), Default::default()).await.unwrap();
    queue.send(Message::new("m")).await;
    let held = one(&*receiver).await;
    transport.close().await.unwrap();
    transport.close().await.unwrap();
    let failure = transport.send(&queue.name, vec![Message::new("m")]).await.remove(0).unwrap_err();
    assert_eq!(failure.error.kind(), &Kind::Closed);
    assert_eq!(kind(receiver.recv(1, PATIENCE).await), Some(Kind::Closed));
    assert_eq!(kind(transport.open(&queue.source(), Default::default()).await), Some(Kind::Closed));
    assert_eq!(kind(transport.peek(&queue.source(), 0, 1).await), Some(Kind::Closed));
    assert_eq!(kind(transport.health().await), Some(Kind::Closed));
    assert_eq!(settle_kind(held.receipt.complete().await), Some(Kind::Closed));
    receiver.close().await.unwrap();
}

#[tokio::test]
async fn closing_the_connection_releases_what_was_fetched_ahead() {
    let queue = Queue::new("closed-release").await;
    let transport = connect();
    let options = ReceiverOptions::default().with_prefetch(10);
    let receiver = transport.open(&queue.source(), options).await.unwrap();
    queue.send_all(messages(10)).await;
    let held = one(&*receiver).await;
    sleep(QUIET).await;
    transport.close().await.unwrap();
    assert_eq!(queue.count("locked").await, 1, "only what was handed out");
    drop(held);
}

#[tokio::test]
async fn a_lock_duration_of_the_receiver_is_refused_before_any_io() {
    let transport = connect();
    let options = ReceiverOptions::default().with_lock_duration(Duration::from_secs(5));
    let source = sealmq_queue_core::Source::queue("no-such-queue");
    let refused = kind(transport.open(&source, options).await);
    assert!(matches!(refused, Some(Kind::Unsupported { .. })), "{refused:?}");
}
