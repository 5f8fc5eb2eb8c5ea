//! A redelivery is no replay: whatever brings the same copy again, it opens again.

use std::time::Duration;

use sealmq_client::QueueClient;
use sealmq_queue_core::Message;
use sealmq_transport_memory::QueueSettings;

use crate::replay::tracking;
use crate::support::{LOCK, SECOND, World, next_opened, nothing_comes};

async fn prepared(world: &World) -> QueueClient {
    let client = world.with_keys(tracking()).build().unwrap();
    client.send(Message::new("pay 10 EUR")).await.unwrap();
    client
}

async fn comes_again(client: &QueueClient, delivery_count: u32) {
    let again = next_opened(client).await;
    assert_eq!(again.body(), "pay 10 EUR");
    assert_eq!(again.message.metadata.delivery_count, delivery_count);
    again.complete().await.unwrap();
    nothing_comes(client).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_lock_ran_out_opens_again() {
    let world = World::new();
    let client = prepared(&world).await;
    drop(next_opened(&client).await);
    tokio::time::sleep(LOCK).await;
    comes_again(&client, 2).await;
    assert!(world.dead().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_message_opens_again_at_once() {
    let world = World::new();
    let client = prepared(&world).await;
    next_opened(&client).await.abandon(Duration::ZERO).await.unwrap();
    comes_again(&client, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_held_back_opens_again() {
    let world = World::new();
    let client = prepared(&world).await;
    next_opened(&client).await.abandon(2 * LOCK).await.unwrap();
    nothing_comes(&client).await;
    tokio::time::sleep(2 * LOCK).await;
    comes_again(&client, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_opens_as_often_as_it_is_redelivered() {
    let world = World::new();
    let client = prepared(&world).await;
    for _ in 0..9 {
        next_opened(&client).await.abandon(SECOND).await.unwrap();
        tokio::time::sleep(SECOND).await;
    }
    comes_again(&client, 10).await;
}

/// The next consumer of the group has the same copy, and a guard of its own or the same one.
#[tokio::test(start_paused = true)]
async fn a_message_redelivered_to_another_consumer_opens_there() {
    let world = World::new();
    let client = prepared(&world).await;
    drop(next_opened(&client).await);
    tokio::time::sleep(LOCK).await;
    comes_again(&world.with_keys(tracking()).build().unwrap(), 2).await;
}

/// A message that was renewed past its lock is still the holder's: its reservation goes with it.
#[tokio::test(start_paused = true)]
async fn a_renewed_message_can_be_completed_and_its_replay_is_refused() {
    let world = World::new();
    let client = prepared(&world).await;
    let copied = world.the_stored();
    let held = next_opened(&client).await;
    for _ in 0..4 {
        tokio::time::sleep(LOCK / 2).await;
        held.receipt.extend(LOCK).await.unwrap();
    }
    world.inject(copied).await;
    assert_eq!(crate::support::next_rejected(&client).await.error.code(), "replayed");
    held.complete().await.unwrap();
    nothing_comes(&client).await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_lettered_message_opens_again_after_a_redrive() {
    let world = World::new();
    let client = prepared(&world).await;
    next_opened(&client).await.dead_letter("Broken", "cannot be paid").await.unwrap();
    assert_eq!(client.dead_letters().await.unwrap().redrive(10).await.unwrap(), 1);
    comes_again(&client, 1).await;
}

/// The broker moves it away by itself, and the client never hears of it.
#[tokio::test(start_paused = true)]
async fn a_message_delivered_too_often_opens_again_after_a_redrive() {
    let world = World::with_queue(QueueSettings::default().with_max_deliveries(2));
    let client = prepared(&world).await;
    for _ in 0..2 {
        drop(next_opened(&client).await);
        tokio::time::sleep(LOCK).await;
    }
    nothing_comes(&client).await;
    assert_eq!(world.the_dead().1, "MaxDeliveryCountExceeded");
    client.dead_letters().await.unwrap().redrive(1).await.unwrap();
    comes_again(&client, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_deferred_message_keeps_its_nonce_free() {
    let world = World::new();
    let client = prepared(&world).await;
    let copied = world.the_stored();
    next_opened(&client).await.receipt.defer().await.unwrap();
    world.inject(copied).await;
    assert_eq!(next_opened(&client).await.body(), "pay 10 EUR");
}
