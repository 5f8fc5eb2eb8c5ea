//! Scheduling, time to live and wall-clock times.

use std::time::SystemTime;

use super::*;
use crate::StoredStatus;

#[tokio::test]
async fn a_scheduled_message_is_seen_by_no_one_before_it_is_due() {
    let transport = broker(QueueSettings::default());
    let receiver = open(&transport).await;
    send(&transport, [message("later").with_delay(secs(5)), message("now")]).await;
    assert_eq!(recv_ids(&*receiver).await, ["now"]);
    assert_eq!(transport.depth(&Source::queue("q")).await.unwrap(), 0);
    advance(&transport, secs(5) - Duration::from_nanos(1));
    assert!(recv(&*receiver, 1).await.is_empty());
    advance(&transport, Duration::from_nanos(1));
    assert_eq!(recv_ids(&*receiver).await, ["later"]);
}

#[tokio::test]
async fn only_what_is_still_scheduled_can_be_cancelled() {
    let transport = broker(QueueSettings::default());
    let receiver = open(&transport).await;
    let messages = vec![message("a").with_delay(secs(5)), message("b").with_delay(secs(6))];
    let report = transport.send("q", messages).await;
    let number = |n: usize| report[n].as_ref().unwrap().sequence_number.unwrap();
    assert!(transport.cancel_scheduled("q", number(0)).await.unwrap());
    assert!(!transport.cancel_scheduled("q", number(0)).await.unwrap());
    advance(&transport, secs(6));
    assert!(!transport.cancel_scheduled("q", number(1)).await.unwrap());
    let delivery = recv_one(&*receiver).await;
    assert_eq!(delivery.message.id, "b");
    delivery.receipt.abandon(secs(9)).await.unwrap();
    assert!(!transport.cancel_scheduled("q", number(1)).await.unwrap(), "a retry is none");
}

#[tokio::test]
async fn an_abandoned_message_comes_back_after_its_delay_at_its_old_place() {
    let transport = broker(QueueSettings::default());
    let receiver = open(&transport).await;
    send_ids(&transport, &["a", "b"]).await;
    recv_one(&*receiver).await.receipt.abandon(secs(5)).await.unwrap();
    advance(&transport, secs(5));
    assert_eq!(recv_ids(&*receiver).await, ["a", "b"]);
}

#[tokio::test]
async fn expired_messages_are_dropped_or_dead_lettered_as_the_queue_says() {
    for dead_letter in [false, true] {
        let settings = QueueSettings::default()
            .with_default_time_to_live(secs(5))
            .with_dead_letter_expired(dead_letter);
        let transport = broker(settings);
        let receiver = open(&transport).await;
        let own = message("own").with_time_to_live(secs(9));
        send(&transport, [message("default"), own.clone()]).await;
        advance(&transport, secs(5));
        assert_eq!(transport.tap("q").unwrap().len(), if dead_letter { 2 } else { 1 });
        assert_eq!(recv_ids(&*receiver).await, ["own"]);
        advance(&transport, secs(30));
        assert!(recv(&*receiver, 2).await.is_empty(), "it expired while it was locked");

        let dead = recv(&*open_dead(&transport).await, 10).await;
        if dead_letter {
            assert_eq!(ids(&dead), ["default", "own"]);
            assert_eq!(reason(&dead[0]), "TTLExpiredException");
            assert_eq!(dead[1].message, own);
        } else {
            assert!(dead.is_empty());
        }
    }
}

#[tokio::test]
async fn what_is_in_flight_when_it_expires_can_still_be_completed() {
    let transport = broker(QueueSettings::default());
    send(&transport, [message("a").with_time_to_live(secs(5))]).await;
    let delivery = recv_one(&*open(&transport).await).await;
    advance(&transport, secs(10));
    delivery.receipt.complete().await.unwrap();
}

#[tokio::test]
async fn peeking_shows_everything_from_a_number_on_and_locks_nothing() {
    let transport = broker(QueueSettings::default());
    let receiver = open(&transport).await;
    send_ids(&transport, &["a", "b"]).await;
    send(&transport, [message("c").with_delay(secs(5))]).await;
    let locked = recv_one(&*receiver).await;
    let source = Source::queue("q");
    let peeked = transport.peek(&source, 0, 10).await.unwrap();
    assert_eq!(peeked.len(), 3);
    assert_eq!(peeked[0].metadata.delivery_count, 1);
    let peeked = transport.peek(&source, 2, 1).await.unwrap();
    assert_eq!(peeked[0].message.id, "b");
    assert_eq!(peeked[0].metadata.delivery_count, 0);
    locked.receipt.complete().await.unwrap();
    assert_eq!(recv_ids(&*receiver).await, ["b"]);
}

#[tokio::test]
async fn the_tap_shows_every_message_where_it_stands() {
    use StoredStatus::{Deferred, HeldBack, Locked, Ready};
    let transport = broker(QueueSettings::default());
    let receiver = open(&transport).await;
    send_ids(&transport, &["deferred", "dead", "locked", "ready"]).await;
    send(&transport, [message("scheduled").with_delay(secs(5))]).await;
    let mut deliveries = recv(&*receiver, 3).await.into_iter();
    deliveries.next().unwrap().receipt.defer().await.unwrap();
    deliveries.next().unwrap().receipt.dead_letter("r", "d").await.unwrap();
    let stored = transport.tap("q").unwrap();
    let seen: Vec<_> = stored.iter().map(|m| (m.message.id.as_str(), m.status)).collect();
    let main = [("deferred", Deferred), ("locked", Locked), ("ready", Ready)];
    assert_eq!(seen[..3], main);
    assert_eq!(seen[3..], [("scheduled", HeldBack), ("dead", Ready)]);
    assert_eq!(stored[4].source, Source::dead_letter("q"));
    assert!(!format!("{stored:?}").contains("body\""), "bodies are never printed");
}

#[tokio::test]
async fn wall_clock_times_follow_the_clock() {
    let before = SystemTime::now();
    let transport = broker(QueueSettings::default());
    advance(&transport, secs(3600));
    send_ids(&transport, &["a"]).await;
    let delivery = recv_one(&*open(&transport).await).await;
    let enqueued_at = delivery.receipt.metadata().enqueued_at.unwrap();
    let passed = enqueued_at.duration_since(before).unwrap();
    assert!((secs(3600)..secs(3660)).contains(&passed), "{passed:?}");
}
