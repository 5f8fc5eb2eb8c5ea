//! Waiting receives: woken exactly when something can be received, and safe to cancel.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use super::*;

/// Polls once and says whether the future still waits.
pub(super) async fn pending<F: Future + Unpin>(future: &mut F) -> bool {
    poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context).is_pending())).await
}

#[tokio::test]
async fn an_arrival_wakes_one_who_waits() {
    let transport = broker(QueueSettings::default());
    let receiver = open(&transport).await;
    let mut waiting = receiver.recv(10, secs(60));
    assert!(pending(&mut waiting).await);
    send_ids(&transport, &["a", "b"]).await;
    assert_eq!(ids(&waiting.await.unwrap()), ["a", "b"], "without waiting for ten");
}

#[tokio::test]
async fn the_wait_ends_by_the_brokers_clock() {
    let transport = broker(QueueSettings::default());
    let receiver = open(&transport).await;
    let mut waiting = receiver.recv(1, secs(60));
    assert!(pending(&mut waiting).await);
    advance(&transport, secs(59));
    assert!(pending(&mut waiting).await);
    advance(&transport, secs(1));
    assert!(waiting.await.unwrap().is_empty());
}

#[tokio::test]
async fn due_instants_wake_those_who_waited_before_they_were_known() {
    let transport = broker(QueueSettings::default());
    let receiver = open(&transport).await;
    let dead = open_dead(&transport).await;
    let mut waiting = receiver.recv(1, secs(600));
    let mut waiting_too = receiver.recv(1, secs(600));
    let mut waiting_for_dead = dead.recv(1, secs(600));
    assert!(pending(&mut waiting).await);
    assert!(pending(&mut waiting_too).await);
    assert!(pending(&mut waiting_for_dead).await);

    send(&transport, [message("a").with_delay(secs(5))]).await;
    assert!(pending(&mut waiting).await && pending(&mut waiting_too).await);
    drop(waiting);
    advance(&transport, secs(5));
    let delivery = waiting_too.await.unwrap().pop().unwrap();

    let mut by_lock = receiver.recv(1, secs(600));
    assert!(pending(&mut by_lock).await);
    delivery.receipt.extend(secs(7)).await.unwrap();
    advance(&transport, secs(7));
    let delivery = by_lock.await.unwrap().pop().unwrap();
    assert_eq!(delivery.receipt.metadata().delivery_count, 2);

    let mut by_retry = receiver.recv(1, secs(600));
    assert!(pending(&mut by_retry).await);
    delivery.receipt.abandon(secs(3)).await.unwrap();
    advance(&transport, secs(3));
    let delivery = by_retry.await.unwrap().pop().unwrap();

    assert!(pending(&mut waiting_for_dead).await);
    delivery.receipt.dead_letter("r", "d").await.unwrap();
    assert_eq!(waiting_for_dead.await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_expiry_wakes_those_who_wait_for_dead_letters() {
    let transport = broker(QueueSettings::default().with_dead_letter_expired(true));
    let dead = open_dead(&transport).await;
    let mut waiting = dead.recv(1, secs(600));
    assert!(pending(&mut waiting).await);
    send(&transport, [message("a").with_time_to_live(secs(5))]).await;
    advance(&transport, secs(5));
    assert_eq!(reason(&waiting.await.unwrap()[0]), "TTLExpiredException");
}

#[tokio::test]
async fn a_settlement_wakes_who_waits_for_its_group() {
    let transport = of_kind(QueueKind::OrderedGroups);
    let receiver = open(&transport).await;
    send(&transport, [grouped("g", "1"), grouped("g", "2")]).await;
    let first = recv_one(&*receiver).await;
    let mut waiting = receiver.recv(10, secs(10));
    assert!(pending(&mut waiting).await);
    first.receipt.complete().await.unwrap();
    assert_eq!(ids(&waiting.await.unwrap()), ["2"]);
}

#[tokio::test]
async fn one_who_is_woken_passes_the_word_on() {
    let transport = broker(QueueSettings::default());
    let receiver = open(&transport).await;
    let mut waiting: Vec<_> = (0..5).map(|_| receiver.recv(1, secs(60))).collect();
    for future in &mut waiting {
        assert!(pending(future).await);
    }
    send_ids(&transport, &["a", "b", "c", "d", "e"]).await;
    for future in waiting {
        assert_eq!(future.await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_dropped_receive_holds_no_lock_and_passes_its_wake_on() {
    let transport = broker(QueueSettings::default());
    let receiver = open(&transport).await;
    let mut dropped = receiver.recv(10, secs(60));
    let mut other = receiver.recv(10, secs(60));
    assert!(pending(&mut dropped).await && pending(&mut other).await);
    send_ids(&transport, &["a"]).await;
    drop(dropped); // It was woken and never polled again.
    let deliveries = other.await.unwrap();
    assert_eq!(ids(&deliveries), ["a"]);
    assert_eq!(deliveries[0].receipt.metadata().delivery_count, 1);
}

#[tokio::test]
async fn closing_wakes_everyone_who_waits() {
    let transport = broker(QueueSettings::default());
    let (first, second) = (open(&transport).await, open(&transport).await);
    let (mut by_receiver, mut by_transport) = (first.recv(1, secs(60)), second.recv(1, secs(60)));
    assert!(pending(&mut by_receiver).await && pending(&mut by_transport).await);
    first.close().await.unwrap();
    assert_eq!(by_receiver.await.unwrap_err().kind(), &TransportErrorKind::Closed);
    assert!(pending(&mut by_transport).await);
    transport.close().await.unwrap();
    assert_eq!(by_transport.await.unwrap_err().kind(), &TransportErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn tokios_clock_can_be_paused() {
    let builder = MemoryTransport::builder().queue("q", QueueSettings::default());
    let transport = builder.build().unwrap();
    let receiver = open(&transport).await;
    send(&transport, [message("a").with_delay(secs(3600))]).await;
    let started = tokio::time::Instant::now();
    let deliveries = receiver.recv(1, Duration::MAX).await.unwrap();
    assert_eq!(deliveries.len(), 1);
    let waited = started.elapsed();
    assert!((secs(3600)..secs(3601)).contains(&waited), "{waited:?}");
    assert!(recv(&*receiver, 1).await.is_empty());
    assert_eq!(receiver.recv(1, Duration::MAX).await.unwrap().len(), 1, "its lock ran out");
    assert!(started.elapsed() >= secs(3630));
}
