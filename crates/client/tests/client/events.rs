//! The log events, by their exact names, fields and levels.

use sealmq_crypto_core::{CryptoConfig, KeyErrorKind, PlaintextPolicy};
use sealmq_queue_core::Message;
use tracing::Level;

use crate::support::{
    CANARY, Event, Events, QUEUE, SwitchedKeys, World, key_id, next_opened, next_rejected, sealing,
};

fn message() -> Message {
    Message::with_id("order-1", CANARY).with_session_id("customer-42")
}

fn fields(event: &Event) -> Vec<(&str, &str)> {
    event.fields.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[tokio::test(start_paused = true)]
async fn sealed_messages_are_logged_with_their_key_on_both_sides() {
    let events = Events::record();
    let world = World::new();
    let client = world.sealing();
    client.send(message()).await.unwrap();
    next_opened(&client).await.complete().await.unwrap();
    for name in ["Message sent with encryption", "Message received with encryption"] {
        let event = events.the(name);
        assert_eq!(event.level, Level::DEBUG);
        let expected = [
            ("encrypted", "true"),
            ("key_id", "orders-1"),
            ("message_id", "order-1"),
            ("queue", QUEUE),
            ("session_id", "customer-42"),
        ];
        assert_eq!(fields(&event), expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn plaintexts_are_logged_on_both_sides_at_the_level_of_the_policy() {
    let policies =
        [(PlaintextPolicy::Allow, Level::WARN), (PlaintextPolicy::AllowWithAlert, Level::ERROR)];
    for (policy, level) in policies {
        let events = Events::record();
        let world = World::new();
        let config = CryptoConfig::default()
            .with_plaintext_on_send(policy)
            .with_plaintext_on_receive(policy);
        let client = world.keyless(config).build().unwrap();
        client.send(message()).await.unwrap();
        next_opened(&client).await.complete().await.unwrap();
        for name in ["Message sent WITHOUT encryption", "Message received WITHOUT encryption"] {
            let event = events.the(name);
            assert_eq!(event.level, level, "{name}");
            let expected = [
                ("encrypted", "false"),
                ("message_id", "order-1"),
                ("queue", QUEUE),
                ("session_id", "customer-42"),
            ];
            assert_eq!(fields(&event), expected, "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_message_of_a_batch_is_logged_for_itself() {
    let events = Events::record();
    let world = World::new();
    let client = world.sealing();
    let batch = (0..3).map(|n| Message::with_id(format!("m-{n}"), "body")).collect();
    client.send_batch(batch).await;
    client.receive(3, crate::support::SECOND).await.unwrap();
    for name in ["Message sent with encryption", "Message received with encryption"] {
        let named = events.named(name);
        let ids: Vec<_> = named.iter().map(|event| event.field("message_id")).collect();
        assert_eq!(ids, ["m-0", "m-1", "m-2"], "{name}");
    }
}

/// A message without a session says nothing of one, instead of an empty or invented one.
#[tokio::test(start_paused = true)]
async fn a_message_without_a_session_has_no_such_field() {
    let events = Events::record();
    let world = World::new();
    let client = world.sealing();
    client.send(Message::new("body")).await.unwrap();
    assert!(!events.the("Message sent with encryption").fields.contains_key("session_id"));
}

#[tokio::test(start_paused = true)]
async fn a_rejected_message_is_an_error_event_with_its_type() {
    let events = Events::record();
    let world = World::new();
    let client = world.sealing();
    client.send(message()).await.unwrap();
    world.tamper(|message| message.id = "order-2".into()).await;
    next_rejected(&client).await;
    let event = events.the("Message rejected");
    assert_eq!(event.level, Level::ERROR);
    let expected = [
        ("error", "the message could not be authenticated"),
        ("error_type", "authentication_failed"),
        ("message_id", "order-2"),
        ("queue", QUEUE),
        ("session_id", "customer-42"),
    ];
    assert_eq!(fields(&event), expected);
    assert!(events.named("Message received with encryption").is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_a_warning_and_no_error_event() {
    let world = World::new();
    world.sealing().send(message()).await.unwrap();
    let keys = SwitchedKeys::new(&world.keys);
    let client = world.keyless(sealing()).with_key_provider(keys.clone()).build().unwrap();
    keys.switch.fail(KeyErrorKind::Unavailable);
    let events = Events::record();
    next_rejected(&client).await;
    let event = events.the("Message could not be opened for now");
    assert_eq!((event.level, event.field("error_type")), (Level::WARN, "key_unavailable"));
    assert!(events.named("Message rejected").is_empty());
}

/// Not telling of a rejected replay would hide an attack; telling of a settled redelivery is noise.
#[tokio::test(start_paused = true)]
async fn a_replay_is_logged() {
    let events = Events::record();
    let world = World::new();
    let client = world.with_keys(crate::replay::tracking()).build().unwrap();
    client.send(message()).await.unwrap();
    let copied = world.the_stored();
    next_opened(&client).await.complete().await.unwrap();
    world.inject(copied).await;
    next_rejected(&client).await;
    assert_eq!(events.the("Message rejected").field("error_type"), "replayed");
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_sealing_key_is_logged_with_its_id() {
    let events = Events::record();
    let world = World::new();
    let client = world.sealing();
    for _ in 0..2 {
        client.send(Message::new("body")).await.unwrap();
    }
    world.keys.rotate(key_id("orders-2")).unwrap();
    client.send(Message::new("body")).await.unwrap();
    let changes = events.named("Sealing key changed");
    let ids: Vec<_> = changes.iter().map(|event| event.field("key_id")).collect();
    assert_eq!(ids, ["orders-1", "orders-2"]);
    assert!(changes.iter().all(|event| event.level == Level::INFO));
}
