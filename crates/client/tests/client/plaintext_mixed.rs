//! Sealed and plaintext messages on one queue: each is told for itself, and each plaintext alarms.

use sealmq_crypto_core::{CryptoConfig, PlaintextPolicy};
use sealmq_queue_core::Message;
use tracing::Level;

use crate::support::{Events, SECOND, World, next_opened, sealing, text};

#[tokio::test(start_paused = true)]
async fn on_one_queue_each_message_is_told_for_itself() {
    let world = World::new();
    let (sealing, plain) = (world.sealing(), world.plain());
    for n in 0..10 {
        let sender = if n % 3 == 0 { &plain } else { &sealing };
        sender.send(Message::new(format!("{n}"))).await.unwrap();
    }
    let received = sealing.receive(10, SECOND).await.unwrap();
    let told: Vec<_> = received
        .into_iter()
        .map(|message| message.unwrap())
        .map(|message| (text(&message), message.message.is_encrypted()))
        .collect();
    let expected: Vec<_> = (0..10).map(|n| (format!("{n}"), n % 3 != 0)).collect();
    assert_eq!(told, expected);
}

#[tokio::test(start_paused = true)]
async fn a_sender_with_encryption_off_warns_on_every_send() {
    let events = Events::record();
    let world = World::new();
    let plain = world.plain();
    for _ in 0..3 {
        plain.send(Message::new("body")).await.unwrap();
    }
    plain.send_batch(vec![Message::new("a"), Message::new("b")]).await;
    assert_eq!(events.named("Message sent WITHOUT encryption").len(), 5);
    assert!(events.all().iter().all(|event| event.name != "Message sent with encryption"));
}

/// A sender that lost its configuration looks like an attacker, and is as loud.
#[tokio::test(start_paused = true)]
async fn a_plaintext_among_sealed_messages_is_an_error_event_where_the_policy_alerts() {
    let world = World::new();
    let alerting = sealing().with_plaintext_on_receive(PlaintextPolicy::AllowWithAlert);
    let client = world.with_keys(alerting).build().unwrap();
    client.send(Message::new("sealed")).await.unwrap();
    world.plain().send(Message::with_id("m-plain", "plain")).await.unwrap();
    let events = Events::record();
    for _ in 0..2 {
        next_opened(&client).await.complete().await.unwrap();
    }
    let alert = events.the("Message received WITHOUT encryption");
    assert_eq!((alert.level, alert.field("message_id")), (Level::ERROR, "m-plain"));
}

#[tokio::test(start_paused = true)]
async fn a_sender_may_be_set_to_alert_on_every_plaintext() {
    let events = Events::record();
    let world = World::new();
    let config = CryptoConfig::default().with_plaintext_on_send(PlaintextPolicy::AllowWithAlert);
    world.keyless(config).build().unwrap().send(Message::new("body")).await.unwrap();
    assert_eq!(events.the("Message sent WITHOUT encryption").level, Level::ERROR);
}
