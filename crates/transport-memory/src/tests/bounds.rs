//! Bounded queues, deduplication windows, redrive, and what settings are refused.

use super::*;

#[tokio::test]
async fn a_full_queue_takes_what_fits_and_gives_the_rest_back_in_place() {
    let transport = broker(QueueSettings::default().with_max_messages(2));
    let receiver = open(&transport).await;
    send_ids(&transport, &["a"]).await;
    let delivery = recv_one(&*receiver).await;

    let batch = ["b", "c", "d"].map(message).to_vec();
    let report = transport.send("q", batch).await;
    let full = Some(TransportErrorKind::Throttled { retry_after: None });
    let given_back: Vec<_> =
        report.iter().filter_map(|r| Some(r.as_ref().err()?.message.id.clone())).collect();
    assert_eq!(given_back, ["c", "d"]);
    assert!(report[1].as_ref().err().unwrap().error.is_retryable());
    assert_eq!(failures(report), [None, full.clone(), full], "what is in flight counts");

    delivery.receipt.complete().await.unwrap();
    send_ids(&transport, &["c"]).await;
    assert_eq!(recv_ids(&*receiver).await, ["b", "c"]);
}

#[tokio::test]
async fn what_is_dead_lettered_makes_room() {
    let transport = broker(QueueSettings::default().with_max_messages(1));
    send_ids(&transport, &["a"]).await;
    let delivery = recv_one(&*open(&transport).await).await;
    delivery.receipt.dead_letter("r", "d").await.unwrap();
    send_ids(&transport, &["b"]).await;
    let refused = transport.redrive("q", 1).await.unwrap_err();
    assert!(matches!(refused.kind(), TransportErrorKind::Throttled { .. }));
    assert_eq!(transport.depth(&Source::dead_letter("q")).await.unwrap(), 1);
}

#[tokio::test]
async fn an_id_is_remembered_for_the_window_and_not_a_moment_longer() {
    let transport = broker(QueueSettings::default().with_deduplication_window(secs(10)));
    let receiver = open(&transport).await;
    let send_a = || transport.send("q", vec![message("a")]);
    let original = send_a().await.pop().unwrap().unwrap();
    assert!(!original.duplicate);
    recv_one(&*receiver).await.receipt.complete().await.unwrap();

    advance(&transport, secs(10) - Duration::from_nanos(1));
    let duplicate = send_a().await.pop().unwrap().unwrap();
    assert!(duplicate.duplicate, "also once it was completed");
    assert_eq!(duplicate.sequence_number, original.sequence_number);
    advance(&transport, Duration::from_nanos(1));
    let fresh = send_a().await.pop().unwrap().unwrap();
    assert!(!fresh.duplicate, "a duplicate does not prolong the window");
    assert_eq!(recv_ids(&*receiver).await, ["a"]);
}

#[tokio::test]
async fn duplicates_within_a_batch_are_dropped_whatever_their_bodies() {
    let settings =
        QueueSettings::default().with_deduplication_window(secs(10)).with_max_messages(1);
    let transport = broker(settings);
    let batch = vec![message("a"), Message::with_id("a", "other"), message("b")];
    let report = transport.send("q", batch).await;
    assert!(report[1].as_ref().unwrap().duplicate, "even when the queue is full");
    assert!(report[2].is_err());
    let receiver = open(&transport).await;
    let delivery = recv_one(&*receiver).await;
    assert_eq!(delivery.message.body, "body");
    delivery.receipt.complete().await.unwrap();
    let b = transport.send("q", vec![message("b")]).await.pop().unwrap().unwrap();
    assert!(!b.duplicate, "what was refused was not seen");
}

#[tokio::test]
async fn redrive_passes_the_deduplication_and_keeps_the_message() {
    let transport = broker(QueueSettings::default().with_deduplication_window(secs(100)));
    let receiver = open(&transport).await;
    let sent = message("a").with_attribute("k", "v").with_delay(secs(1));
    send(&transport, [sent.clone(), message("b"), message("c")]).await;
    advance(&transport, secs(1));
    for delivery in recv(&*receiver, 3).await {
        delivery.receipt.dead_letter("r", "d").await.unwrap();
    }
    let locked = recv_one(&*open_dead(&transport).await).await;
    assert_eq!(locked.message.id, "b");
    assert_eq!(transport.redrive("q", 0).await.unwrap(), 0);
    assert_eq!(transport.redrive("q", 1).await.unwrap(), 1);
    assert_eq!(transport.redrive("q", 9).await.unwrap(), 1, "not what is locked");
    let redriven = recv(&*receiver, 3).await;
    assert_eq!(ids(&redriven), ["c", "a"]);
    assert_eq!(redriven[1].message, sent, "and the delay is not served twice");
    assert_eq!(redriven[1].receipt.metadata().dead_letter, None);
}

#[tokio::test]
async fn an_unknown_queue_is_not_found_unless_queues_come_by_themselves() {
    let transport = broker(QueueSettings::default());
    let missing = Some(TransportErrorKind::NotFound);
    assert_eq!(failures(transport.send("missing", vec![message("a")]).await), [missing]);
    let opened = transport.open(&Source::queue("missing"), ReceiverOptions::default()).await;
    assert_eq!(opened.err().unwrap().kind(), &TransportErrorKind::NotFound);

    let transport = MemoryTransport::builder().auto_create(true).build().unwrap();
    transport.send("new", vec![message("a")]).await.pop().unwrap().unwrap();
    assert_eq!(transport.depth(&Source::queue("new")).await.unwrap(), 1);
}

#[test]
fn settings_are_refused_with_their_field() {
    let base = QueueSettings::default;
    let cases = [
        ("lock_duration", base().with_lock_duration(NOW)),
        ("lock_duration", base().with_lock_duration(secs(12 * 3600 + 1))),
        ("max_deliveries", base().with_max_deliveries(0)),
        ("deduplication_window", base().with_deduplication_window(NOW)),
        ("default_time_to_live", base().with_default_time_to_live(NOW)),
        ("max_messages", base().with_max_messages(0)),
    ];
    let transport = MemoryTransport::new();
    for (field, settings) in cases {
        let error = transport.create_queue("q", settings).unwrap_err();
        assert_eq!(error.kind(), &TransportErrorKind::InvalidInput { field });
    }
    transport.create_queue("q", base()).unwrap();
    transport.create_queue("q", base()).unwrap();
    let error = transport.create_queue("q", base().with_max_messages(5)).unwrap_err();
    assert_eq!(error.kind(), &TransportErrorKind::InvalidInput { field: "queue" });
    assert!(transport.create_queue("", base()).is_err());
}
