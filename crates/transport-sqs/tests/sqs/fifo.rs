//! FIFO queues: order within groups, one in flight for each, deduplication, confirmed settlement.

use sealmq_queue_core::{
    Certainty, Delivery, Feature, Message, ReceiverOptions, Source, Transport, TransportErrorKind,
};

use crate::support::proxy::{Answer, Proxy, refused, success};
use crate::support::*;

fn of_group(group: &str, body: &str) -> Message {
    Message::new(body.to_owned()).with_session_id(group)
}

fn body(delivery: &Delivery) -> String {
    bodies([delivery]).remove(0)
}

#[tokio::test]
async fn a_group_keeps_its_order_and_has_one_message_in_flight() {
    let transport = fifo().await;
    let queue = queue(&transport, settings()).await;
    let options = ReceiverOptions::default().with_prefetch(10);
    let receiver = transport.open(&Source::queue(&queue), options).await.unwrap();
    let sent: Vec<_> = (0..12).map(|n| of_group("a", &format!("a{n:02}"))).collect();
    send(&transport, &queue, sent).await;
    let other = open(&transport, &queue).await;
    for n in 0..12 {
        let batch = receiver.recv(10, PATIENCE).await.unwrap();
        assert_eq!(batch.len(), 1, "one of a group at a time");
        nothing(&*other).await;
        for delivery in batch {
            assert_eq!(body(&delivery), format!("a{n:02}"));
            assert_eq!(delivery.message.session_id.as_deref(), Some("a"));
            let certainty = delivery.receipt.complete().await.unwrap();
            assert_eq!(certainty, Certainty::Confirmed);
        }
    }
    nothing(&*receiver).await;
}

#[tokio::test]
async fn groups_go_on_without_each_other_and_a_retry_keeps_the_order() {
    let transport = fifo().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    let sent = [("a", "a1"), ("a", "a2"), ("b", "b1")].map(|(group, text)| of_group(group, text));
    send(&transport, &queue, sent.into()).await;
    let a1 = one(&*receiver).await;
    assert_eq!(body(&a1), "a1");
    let b1 = one(&*receiver).await;
    assert_eq!(body(&b1), "b1");
    a1.receipt.abandon(SECOND).await.unwrap();
    for expected in ["a1", "a2"] {
        let delivery = one(&*receiver).await;
        assert_eq!(body(&delivery), expected);
        delivery.receipt.complete().await.unwrap();
    }
}

#[tokio::test]
async fn an_id_that_was_seen_is_dropped_whatever_the_body() {
    let transport = fifo().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    let first = Message::with_id("id-1", "ciphertext one").with_session_id("a");
    let mut anew = first.clone();
    anew.body = "ciphertext two".into();
    let same_body = of_group("b", "ciphertext one");
    send(&transport, &queue, vec![first, anew, same_body]).await;
    let received = exactly(&*receiver, 2).await;
    assert_eq!(bodies(&received), ["ciphertext one", "ciphertext one"]);
    nothing(&*receiver).await;
}

#[tokio::test]
async fn a_message_needs_a_group() {
    let proxy = Proxy::start().await;
    let transport = proxy.fifo().await;
    let kind = refusal(&transport, "missing.fifo", Message::new("nowhere")).await;
    assert_eq!(kind, TransportErrorKind::InvalidInput { field: "session_id" });
    let late = of_group("a", "late").with_delay(SECOND);
    let kind = refusal(&transport, "missing.fifo", late).await;
    assert_eq!(kind, TransportErrorKind::Unsupported { feature: "scheduled send" });
    let kind = refusal(&transport, "standard", of_group("a", "b")).await;
    assert_eq!(kind, TransportErrorKind::InvalidInput { field: "queue" });
    assert_eq!(proxy.total(), 0);
    assert!(!transport.capabilities().has(Feature::ScheduledSend));
}

#[tokio::test]
async fn settling_after_the_lock_ran_out_is_an_error_without_effect() {
    let transport = fifo().await;
    let queue = queue(&transport, short_locks()).await;
    let receiver = open(&transport, &queue).await;
    send(&transport, &queue, vec![of_group("a", "slow")]).await;
    let late = one(&*receiver).await;
    outlast_short_lock().await;
    let held = one(&*receiver).await;
    let error = late.receipt.extend(SECOND).await.unwrap_err();
    assert_eq!(error.kind(), &TransportErrorKind::LockLost);
    let failed = late.receipt.complete().await.unwrap_err();
    assert_eq!(failed.error.kind(), &TransportErrorKind::LockLost);
    let failed = failed.receipt.dead_letter("TooLate", "").await.unwrap_err();
    assert_eq!(failed.error.kind(), &TransportErrorKind::LockLost);
    held.receipt.extend(4 * SECOND).await.unwrap();
    outlast_short_lock().await;
    held.receipt.complete().await.unwrap();
    nothing(&*receiver).await;
}

#[tokio::test]
async fn an_expired_handle_is_a_lost_lock_also_by_the_services_own_words() {
    let proxy = Proxy::start().await;
    let transport = proxy.fifo().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    send(&transport, &queue, vec![of_group("a", "slow")]).await;
    let held = one(&*receiver).await;
    let answer = r#"{"Successful":[],"Failed":[{"Id":"0","Code":"InvalidParameterValue",
        "SenderFault":true,"Message":"Value AQEB for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."}]}"#;
    proxy.answer("DeleteMessageBatch", success(answer));
    let failed = held.receipt.complete().await.unwrap_err();
    assert_eq!(failed.error.kind(), &TransportErrorKind::LockLost);
}

#[tokio::test]
async fn dead_letters_and_redriven_messages_are_not_dropped_as_duplicates() {
    let transport = fifo().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    let sent = Message::with_id("i".repeat(128), "again and again").with_session_id("a");
    send(&transport, &queue, vec![sent.clone()]).await;
    for round in 0..3 {
        let held = one(&*receiver).await;
        assert_eq!(held.message, sent);
        held.receipt.dead_letter("Broken", format!("round {round}")).await.unwrap();
        assert_eq!(transport.redrive(&queue, 10).await.unwrap(), 1);
    }
    let last = one(&*receiver).await;
    assert_eq!(last.message, sent);
    last.receipt.complete().await.unwrap();
}

#[tokio::test]
async fn what_comes_after_a_failure_is_held_back() {
    let proxy = Proxy::start().await;
    let transport = proxy.fifo().await;
    let queue = queue(&transport, settings()).await;
    proxy.answer("SendMessageBatch", Answer::Forward);
    proxy.answer("SendMessageBatch", refused(500, "InternalError", "try again"));
    let sent: Vec<_> = (0..30).map(|n| of_group("a", &n.to_string())).collect();
    let report = transport.send(&queue, sent).await;
    assert!(report[..10].iter().all(Result::is_ok));
    for result in &report[10..] {
        assert!(result.as_ref().unwrap_err().error.is_retryable());
    }
    assert_eq!(proxy.count("SendMessageBatch"), 2, "the third was not sent");
    assert_eq!(transport.depth(&Source::queue(&queue)).await.unwrap(), 10);
}
