//! Faults of the whole server: none shows but by redeliveries.

use std::time::Duration;

use sealmq_queue_core::{Message, ReceiverOptions, SessionSelector, Source, Transport};
use serde_json::json;
use tokio::time::sleep;

use crate::support::{PATIENCE, Server, body, nothing, one, persistently};

async fn send(transport: &impl Transport, body: &str) {
    let sending = || async {
        let sent = transport.send("q", vec![Message::new(body.to_owned())]).await.remove(0);
        sent.map_err(|failure| failure.error)
    };
    persistently(sending).await;
}

#[tokio::test]
async fn whatever_ends_connections_links_and_tokens_does_not_show() {
    let server = Server::start().await;
    server.queue("q").await;
    let transport = server.connect();
    let receiver = transport.open(&Source::queue("q"), ReceiverOptions::default()).await.unwrap();
    let faults = [
        json!({ "action": "drop-connections" }),
        json!({ "action": "close-connections" }),
        json!({ "action": "close-connections", "condition": "amqp:internal-error" }),
        json!({ "action": "detach-links" }),
        json!({ "action": "detach-links", "condition": "com.microsoft:server-busy" }),
        json!({ "action": "detach-links", "condition": "com.microsoft:timeout" }),
        json!({ "action": "detach-links", "condition": "amqp:internal-error" }),
        json!({ "action": "expire-tokens" }),
        json!({ "action": "expire-tokens", "condition": "amqp:unauthorized-access" }),
        json!({ "action": "outage", "duration_ms": 700 }),
    ];
    for (number, fault) in faults.iter().enumerate() {
        let (before, after) = (format!("before {number}"), format!("after {number}"));
        send(&transport, &before).await;
        let held = one(&*receiver).await;
        assert_eq!(body(&held), before, "{fault}");
        server.fault(fault).await;
        send(&transport, &after).await;
        let next = one(&*receiver).await;
        assert_eq!(body(&next), after, "{fault}");
        next.receipt.complete().await.unwrap();
        held.receipt.complete().await.unwrap();
        nothing(&*receiver).await;
    }
    transport.close().await.unwrap();
}

#[tokio::test]
async fn a_receiver_that_waits_lives_through_all_of_it() {
    let server = Server::start().await;
    server.queue("q").await;
    let (sender, transport) = (server.connect(), server.connect());
    let receiver = transport.open(&Source::queue("q"), ReceiverOptions::default()).await.unwrap();
    let faults = [
        json!({ "action": "drop-connections" }),
        json!({ "action": "close-connections" }),
        json!({ "action": "detach-links" }),
        json!({ "action": "expire-tokens" }),
        json!({ "action": "expire-tokens", "condition": "amqp:unauthorized-access" }),
    ];
    for fault in &faults {
        let trouble = async {
            for _ in 0..3 {
                sleep(Duration::from_millis(200)).await;
                server.fault(fault).await;
            }
            send(&sender, "comes").await;
        };
        let (received, ()) = tokio::join!(receiver.recv(1, PATIENCE), trouble);
        let mut received = received.unwrap();
        assert_eq!(body(&received[0]), "comes", "{fault}");
        received.remove(0).receipt.complete().await.unwrap();
    }
}

#[tokio::test]
async fn a_session_is_lost_with_its_connection_and_can_be_had_again() {
    let server = Server::start().await;
    server.admin.put("/queues/q", &json!({ "requires_session": true })).await;
    let transport = server.connect();
    let accept = async || {
        let named = SessionSelector::Named("one".into());
        let options = ReceiverOptions::default();
        transport.accept_session("q", named, PATIENCE, options).await.unwrap().unwrap()
    };
    let message = Message::new("kept").with_session_id("one");
    transport.send("q", vec![message]).await.remove(0).unwrap();
    let holder = accept().await;
    let held = one(&*holder).await;
    server.fault(&json!({ "action": "close-connections" })).await;
    sleep(Duration::from_millis(200)).await;
    let lost = held.receipt.complete().await.unwrap_err();
    assert_eq!(lost.error.kind(), &sealmq_queue_core::TransportErrorKind::LockLost);
    assert!(holder.recv(1, PATIENCE).await.is_err());
    let again = accept().await;
    let delivery = one(&*again).await;
    assert_eq!(body(&delivery), "kept");
    delivery.receipt.complete().await.unwrap();
}
