//! Locks: fencing, expiry, extension, delivery counts and what becomes of what failed too often.

use sealmq_queue_core::{Certainty, ReceiveMode, Settlement};

use super::*;

#[tokio::test]
async fn a_stale_holder_cannot_settle_the_next_holders_delivery() {
    let transport = broker(QueueSettings::default());
    let receiver = open(&transport).await;
    send_ids(&transport, &["a"]).await;
    let stale = recv_one(&*receiver).await.receipt;
    advance(&transport, secs(30));
    let current = recv_one(&*receiver).await.receipt;

    let mut stale = Some(stale);
    for settlement in [
        Settlement::Complete,
        Settlement::Abandon { delay: NOW },
        Settlement::DeadLetter { reason: "r".into(), description: "d".into() },
        Settlement::Defer,
    ] {
        let failed = stale.take().unwrap().settle(settlement).await.unwrap_err();
        assert_eq!(failed.error.kind(), &TransportErrorKind::LockLost);
        stale = Some(*failed.receipt);
    }
    let extended = stale.unwrap().extend(secs(60)).await.unwrap_err();
    assert_eq!(extended.kind(), &TransportErrorKind::LockLost);

    assert_eq!(current.metadata().delivery_count, 2);
    assert_eq!(current.complete().await.unwrap(), Certainty::Confirmed);
    assert!(transport.tap("q").unwrap().is_empty());
}

#[tokio::test]
async fn a_lock_holds_until_its_last_instant_and_no_longer() {
    let transport = broker(QueueSettings::default());
    let receiver = open(&transport).await;
    send_ids(&transport, &["a"]).await;
    let delivery = recv_one(&*receiver).await;
    advance(&transport, secs(30) - Duration::from_nanos(1));
    assert!(recv(&*receiver, 1).await.is_empty());
    advance(&transport, Duration::from_nanos(1));
    delivery.receipt.complete().await.unwrap_err();
}

#[tokio::test]
async fn expired_locks_come_back_at_their_old_place() {
    let transport = broker(QueueSettings::default());
    let receiver = open(&transport).await;
    send_ids(&transport, &["a", "b", "c", "d"]).await;
    let first = recv(&*receiver, 3).await;
    first[0].receipt.extend(secs(60)).await.unwrap();
    advance(&transport, secs(30));
    assert_eq!(recv_ids(&*receiver).await, ["b", "c", "d"]);
    advance(&transport, secs(30));
    assert_eq!(recv_ids(&*receiver).await, ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn extending_shortens_too_and_is_bounded_from_the_hand_out_on() {
    let transport = broker(QueueSettings::default());
    let receiver = open(&transport).await;
    send_ids(&transport, &["a"]).await;
    let delivery = recv_one(&*receiver).await;
    delivery.receipt.extend(secs(5)).await.unwrap();
    advance(&transport, secs(4));
    delivery.receipt.extend(secs(5)).await.unwrap();
    let hours = |n: u64| secs(n * 3600);
    for too_long in [hours(12), hours(13), NOW] {
        let error = delivery.receipt.extend(too_long).await.unwrap_err();
        assert_eq!(error.kind(), &TransportErrorKind::InvalidInput { field: "duration" });
    }
    advance(&transport, secs(5));
    assert_eq!(recv_ids(&*receiver).await, ["a"]);
}

#[tokio::test]
async fn a_broker_id_is_stable_for_a_copy_and_new_for_another() {
    let transport = broker(QueueSettings::default());
    let receiver = open(&transport).await;
    send_ids(&transport, &["a"]).await;
    let first = recv_one(&*receiver).await;
    let copy = first.receipt.metadata().clone();
    first.receipt.abandon(NOW).await.unwrap();
    let again = recv_one(&*receiver).await;
    assert_eq!(again.receipt.metadata().broker_id, copy.broker_id);
    assert_eq!(copy.broker_id, "q/1");

    again.receipt.dead_letter("r", "d").await.unwrap();
    let dead = recv_one(&*open_dead(&transport).await).await;
    assert_eq!(dead.receipt.metadata().broker_id, "q/dead-letter/2");
    dead.receipt.abandon(NOW).await.unwrap();
    assert_eq!(transport.redrive("q", 10).await.unwrap(), 1);
    let redriven = recv_one(&*receiver).await;
    assert_eq!(redriven.receipt.metadata().broker_id, "q/3");
    assert_eq!(redriven.receipt.metadata().delivery_count, 1);
    assert_eq!(redriven.message, message("a"));
}

#[tokio::test]
async fn too_many_deliveries_move_a_message_out_by_abandon_and_by_expiry() {
    let transport = broker(QueueSettings::default().with_max_deliveries(2));
    let receiver = open(&transport).await;
    send_ids(&transport, &["abandoned", "expired"]).await;
    for _ in 0..2 {
        let mut deliveries = recv(&*receiver, 2).await;
        deliveries.swap_remove(0).receipt.abandon(NOW).await.unwrap();
        advance(&transport, secs(30));
    }
    assert!(recv(&*receiver, 2).await.is_empty());
    let dead = recv(&*open_dead(&transport).await, 2).await;
    assert_eq!(ids(&dead), ["abandoned", "expired"]);
    assert!(dead.iter().all(|delivery| reason(delivery) == "MaxDeliveryCountExceeded"));
}

#[tokio::test]
async fn what_is_dead_lettered_cannot_be_dead_lettered_again() {
    let transport = broker(QueueSettings::default());
    send_ids(&transport, &["a"]).await;
    let receipt = recv_one(&*open(&transport).await).await.receipt;
    receipt.dead_letter("code", "sentence").await.unwrap();
    let dead = open_dead(&transport).await;
    let delivery = recv_one(&*dead).await;
    assert_eq!(reason(&delivery), "code");
    let failed = delivery.receipt.dead_letter("again", "").await.unwrap_err();
    let expected = TransportErrorKind::InvalidInput { field: "settlement" };
    assert_eq!(failed.error.kind(), &expected);
    failed.receipt.complete().await.unwrap();
    assert!(transport.tap("q").unwrap().is_empty());
}

#[tokio::test]
async fn receive_and_delete_leaves_nothing_to_settle() {
    let transport = broker(QueueSettings::default());
    let options = ReceiverOptions::default().with_mode(ReceiveMode::ReceiveAndDelete);
    let receiver = transport.open(&Source::queue("q"), options).await.unwrap();
    send_ids(&transport, &["a", "b"]).await;
    let delivery = recv_one(&*receiver).await;
    assert_eq!(delivery.receipt.metadata().lock_duration, None);
    assert_eq!(transport.tap("q").unwrap().len(), 1);
    let failed = delivery.receipt.complete().await.unwrap_err();
    let expected = TransportErrorKind::Unsupported { feature: "settlement" };
    assert_eq!(failed.error.kind(), &expected);
}

#[tokio::test]
async fn a_deferred_message_comes_by_its_number_only_and_stays_deferred() {
    let transport = broker(QueueSettings::default());
    let receiver = open(&transport).await;
    send_ids(&transport, &["a"]).await;
    let delivery = recv_one(&*receiver).await;
    let number = delivery.receipt.metadata().sequence_number.unwrap();
    assert!(receiver.recv_deferred(number).await.unwrap().is_none());
    delivery.receipt.defer().await.unwrap();
    assert!(recv(&*receiver, 1).await.is_empty());
    assert!(receiver.recv_deferred(number + 1).await.unwrap().is_none());

    let deferred = receiver.recv_deferred(number).await.unwrap().unwrap();
    assert_eq!(deferred.receipt.metadata().delivery_count, 2);
    assert!(receiver.recv_deferred(number).await.unwrap().is_none(), "locked");
    advance(&transport, secs(30));
    assert!(recv(&*receiver, 1).await.is_empty(), "still deferred");
    let deferred = receiver.recv_deferred(number).await.unwrap().unwrap();
    deferred.receipt.complete().await.unwrap();
    assert!(transport.tap("q").unwrap().is_empty());
}

#[tokio::test]
async fn after_close_a_receiver_receives_no_more_and_its_deliveries_settle() {
    let transport = broker(QueueSettings::default());
    let receiver = open(&transport).await;
    send_ids(&transport, &["a"]).await;
    let delivery = recv_one(&*receiver).await;
    receiver.close().await.unwrap();
    receiver.close().await.unwrap();
    let error = receiver.recv(1, NOW).await.unwrap_err();
    assert_eq!(error.kind(), &TransportErrorKind::Closed);
    delivery.receipt.complete().await.unwrap();
}

#[tokio::test]
async fn a_closed_connection_refuses_everything_and_another_goes_on() {
    let transport = broker(QueueSettings::default());
    let receiver = open(&transport).await;
    send_ids(&transport, &["a", "b"]).await;
    let delivery = recv_one(&*receiver).await;
    transport.clone().close().await.unwrap();
    transport.close().await.unwrap();
    let closed = TransportErrorKind::Closed;
    assert_eq!(failures(transport.send("q", vec![message("c")]).await), [Some(closed.clone())]);
    assert_eq!(receiver.recv(1, NOW).await.unwrap_err().kind(), &closed);
    assert_eq!(transport.health().await.unwrap_err().kind(), &closed);
    assert_eq!(delivery.receipt.complete().await.unwrap_err().error.kind(), &closed);

    let other = transport.connect_again();
    assert_eq!(recv_ids(&*open(&other).await).await, ["b"]);
    other.health().await.unwrap();
}
