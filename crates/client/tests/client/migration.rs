//! The policy for the time in which not every sender seals yet: plaintexts pass until a date.

use std::time::{Duration, UNIX_EPOCH};

use sealmq_crypto_core::CryptoConfig;
use sealmq_queue_core::Message;
use tracing::Level;

use crate::support::{Events, MINUTE, START_MS, World, next_opened, next_rejected};

/// Plaintexts pass for an hour from the start of the test.
fn migrating() -> CryptoConfig {
    CryptoConfig::migration(UNIX_EPOCH + Duration::from_millis(START_MS) + 60 * MINUTE)
}

#[tokio::test(start_paused = true)]
async fn before_the_date_a_plaintext_passes_with_an_alert() {
    let events = Events::record();
    let world = World::new();
    let client = world.with_keys(migrating()).build().unwrap();
    world.plain().send(Message::with_id("m-1", "plain")).await.unwrap();
    tokio::time::advance(59 * MINUTE).await;
    assert_eq!(next_opened(&client).await.body(), "plain");
    let alert = events.the("Message received WITHOUT encryption");
    assert_eq!((alert.level, alert.field("message_id")), (Level::ERROR, "m-1"));
}

#[tokio::test(start_paused = true)]
async fn from_the_date_on_a_plaintext_is_refused() {
    let world = World::new();
    let client = world.with_keys(migrating()).build().unwrap();
    tokio::time::advance(60 * MINUTE - Duration::from_millis(1)).await;
    world.inject(Message::new("plain")).await;
    next_opened(&client).await.complete().await.unwrap();

    tokio::time::advance(Duration::from_millis(1)).await;
    world.inject(Message::new("plain")).await;
    assert_eq!(next_rejected(&client).await.error.code(), "plaintext_rejected");
    assert_eq!(world.the_dead().1, "plaintext_rejected");
}

/// The date of receipt decides, or an attacker would date his plaintexts back.
#[tokio::test(start_paused = true)]
async fn a_plaintext_sent_before_the_date_and_received_after_it_is_refused() {
    let world = World::new();
    let client = world.with_keys(migrating()).build().unwrap();
    world.plain().send(Message::new("plain")).await.unwrap();
    tokio::time::advance(60 * MINUTE).await;
    assert_eq!(next_rejected(&client).await.error.code(), "plaintext_rejected");
}

#[tokio::test(start_paused = true)]
async fn sealed_messages_pass_before_and_after_the_date() {
    let world = World::new();
    let client = world.with_keys(migrating()).build().unwrap();
    for _ in 0..2 {
        client.send(Message::new("sealed")).await.unwrap();
        let received = next_opened(&client).await;
        assert!(received.message.is_encrypted());
        received.complete().await.unwrap();
        tokio::time::advance(60 * MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_migrating_client_seals_what_it_sends() {
    let world = World::new();
    let client = world.with_keys(migrating()).build().unwrap();
    client.send(Message::new("sealed")).await.unwrap();
    assert!(world.the_stored().body.starts_with(b"QRE1"));
}
