//! Ordered groups: blocked while one is in flight, independent of one another.

use super::*;

async fn two_groups() -> (MemoryTransport, Box<dyn Receiver>) {
    let transport = of_kind(QueueKind::OrderedGroups);
    let messages = [("g", "g1"), ("g", "g2"), ("h", "h1"), ("g", "g3"), ("h", "h2")];
    send(&transport, messages.map(|(group, id)| grouped(group, id))).await;
    let receiver = open(&transport).await;
    (transport, receiver)
}

#[tokio::test]
async fn a_group_is_blocked_while_one_is_in_flight() {
    let (transport, receiver) = two_groups().await;
    let mut first = recv(&*receiver, 10).await;
    assert_eq!(ids(&first), ["g1", "h1"]);
    assert!(recv(&*receiver, 10).await.is_empty());
    assert_eq!(transport.depth(&Source::queue("q")).await.unwrap(), 3);

    first.pop().unwrap().receipt.complete().await.unwrap();
    assert_eq!(recv_ids(&*receiver).await, ["h2"], "h goes on while g is blocked");
    first.pop().unwrap().receipt.complete().await.unwrap();
    assert_eq!(recv_ids(&*receiver).await, ["g2"]);
}

#[tokio::test]
async fn a_retry_keeps_the_order_of_its_group() {
    let (transport, receiver) = two_groups().await;
    let mut first = recv(&*receiver, 10).await;
    let (h1, g1) = (first.pop().unwrap(), first.pop().unwrap());
    g1.receipt.abandon(secs(5)).await.unwrap();
    h1.receipt.abandon(NOW).await.unwrap();
    assert_eq!(recv_ids(&*receiver).await, ["h1"], "g waits for the retry of g1");
    advance(&transport, secs(5));
    assert_eq!(recv_ids(&*receiver).await, ["g1"]);
    advance(&transport, secs(30));
    let mut again = recv_ids(&*receiver).await;
    again.sort_unstable();
    assert_eq!(again, ["g1", "h1"], "lock expiry keeps the order too");
}

#[tokio::test]
async fn what_leaves_a_group_frees_it() {
    let (transport, receiver) = two_groups().await;
    let mut first = recv(&*receiver, 10).await;
    let (h1, g1) = (first.pop().unwrap(), first.pop().unwrap());
    g1.receipt.dead_letter("r", "d").await.unwrap();
    let deferred = h1.receipt.metadata().sequence_number.unwrap();
    h1.receipt.defer().await.unwrap();
    assert_eq!(recv(&*receiver, 10).await.len(), 2, "g2 and h2");

    let h1 = receiver.recv_deferred(deferred).await.unwrap().unwrap();
    assert_eq!(h1.message.id, "h1");
    h1.receipt.complete().await.unwrap();
    assert!(recv(&*receiver, 10).await.is_empty(), "h2 is still in flight");
    assert_eq!(transport.tap("q").unwrap().len(), 4);
}

#[tokio::test]
async fn a_message_that_expires_while_its_retry_waits_frees_its_group() {
    let transport = of_kind(QueueKind::OrderedGroups);
    let first = grouped("g", "1").with_time_to_live(secs(3));
    send(&transport, [first, grouped("g", "2")]).await;
    let receiver = open(&transport).await;
    recv_one(&*receiver).await.receipt.abandon(secs(60)).await.unwrap();
    assert!(recv(&*receiver, 1).await.is_empty());
    advance(&transport, secs(3));
    assert_eq!(recv_ids(&*receiver).await, ["2"]);
}

#[tokio::test]
async fn a_scheduled_message_joins_its_group_when_it_is_due() {
    let transport = of_kind(QueueKind::OrderedGroups);
    let later = grouped("g", "later").with_delay(secs(5));
    send(&transport, [later, grouped("g", "now"), grouped("g", "next")]).await;
    let receiver = open(&transport).await;
    for expected in ["now", "next", "later"] {
        let delivery = recv_one(&*receiver).await;
        assert_eq!(delivery.message.id, expected);
        advance(&transport, secs(5));
        delivery.receipt.complete().await.unwrap();
    }
}

#[tokio::test]
async fn many_groups_come_and_go_without_a_trace() {
    let transport = of_kind(QueueKind::OrderedGroups);
    let receiver = open(&transport).await;
    for round in 0..50 {
        let groups = (0..20).map(|n| grouped(&format!("g{round}-{n}"), &format!("{n}")));
        send(&transport, groups).await;
        let deliveries = recv(&*receiver, 100).await;
        assert_eq!(deliveries.len(), 20);
        for delivery in deliveries {
            delivery.receipt.complete().await.unwrap();
        }
    }
    assert!(transport.tap("q").unwrap().is_empty());
    assert!(transport.tap_session_states("q").unwrap().is_empty());
}

#[tokio::test]
async fn a_batch_with_a_message_without_group_is_refused_as_a_whole() {
    let transport = of_kind(QueueKind::OrderedGroups);
    let report = transport.send("q", vec![grouped("g", "1"), message("2")]).await;
    let invalid = |field| Some(TransportErrorKind::InvalidInput { field });
    assert_eq!(failures(report), [invalid("batch"), invalid("session_id")]);
    assert!(transport.tap("q").unwrap().is_empty());
}
