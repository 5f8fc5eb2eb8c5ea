//! Replays are refused where nonces are tracked: the same frame under another identity.

use std::sync::Arc;
use std::time::Duration;

use sealmq_client::{QueueClient, RejectionOutcome};
use sealmq_crypto_core::{CryptoConfig, CryptoErrorKind, ReplayGuard};
use sealmq_queue_core::Message;

use crate::support::{
    LOCK, MINUTE, SwitchedGuard, World, next_opened, next_rejected, nothing_comes, sealing,
};

pub(crate) fn tracking() -> CryptoConfig {
    sealing().with_nonce_tracking(true)
}

/// A client that tracks nonces, and the message it is to be attacked with, still in the queue.
async fn prepared(world: &World, config: CryptoConfig) -> (QueueClient, Message) {
    let client = world.with_keys(config).build().unwrap();
    client.send(Message::new("pay 10 EUR")).await.unwrap();
    let copied = world.the_stored();
    (client, copied)
}

async fn assert_replay_refused(world: &World, client: &QueueClient, copied: &Message) {
    let rejected = next_rejected(client).await;
    assert_eq!(rejected.error.kind(), &CryptoErrorKind::Replayed);
    assert_eq!(rejected.outcome, RejectionOutcome::DeadLettered);
    assert_eq!(world.the_dead(), (copied.clone(), "replayed".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_comes_after_completion_is_refused() {
    let world = World::new();
    let (client, copied) = prepared(&world, tracking()).await;
    next_opened(&client).await.complete().await.unwrap();
    world.inject(copied.clone()).await;
    assert_replay_refused(&world, &client, &copied).await;
    nothing_comes(&client).await;
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_comes_while_the_message_is_in_flight_is_refused() {
    let world = World::new();
    let (client, copied) = prepared(&world, tracking()).await;
    let in_flight = next_opened(&client).await;
    world.inject(copied.clone()).await;
    assert_replay_refused(&world, &client, &copied).await;
    in_flight.complete().await.unwrap();
}

/// Nobody renews the lock: the broker delivers the message again, and its reservation lapses. It is
/// worked on all the same.
#[tokio::test(start_paused = true)]
async fn a_copy_that_comes_while_the_message_is_worked_on_without_its_lock_is_refused() {
    let world = World::new();
    let (client, copied) = prepared(&world, tracking()).await;
    let at_work = next_opened(&client).await;
    tokio::time::sleep(LOCK).await;
    world.steal().await;
    world.inject(copied.clone()).await;
    assert_replay_refused(&world, &client, &copied).await;
    drop(at_work);
}

/// What was refused is no message that is worked on, even while its receipt is not settled.
#[tokio::test(start_paused = true)]
async fn a_copy_that_was_refused_does_not_stand_in_the_way_of_the_message() {
    let world = World::new();
    let guard = SwitchedGuard::new(world.clock.clone());
    let consumer = || {
        let guard = Arc::clone(&guard) as Arc<dyn ReplayGuard>;
        world.with_keys(tracking()).with_replay_guard(guard)
    };
    let (one, other) = (consumer().build().unwrap(), consumer().with_manual_rejection());
    let other = other.build().unwrap();
    one.send(Message::new("pay 10 EUR")).await.unwrap();
    let copied = world.the_stored();
    let held = next_opened(&one).await;
    world.inject(copied).await;
    let refused = next_rejected(&other).await;
    assert_eq!(refused.error.code(), "replayed");
    held.abandon(Duration::ZERO).await.unwrap();
    next_opened(&other).await.complete().await.unwrap();
    refused.receipt.unwrap().dead_letter("replayed", "").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn of_two_copies_in_one_batch_one_is_refused() {
    let world = World::new();
    let (client, copied) = prepared(&world, tracking()).await;
    world.inject(copied.clone()).await;
    let received = client.receive(10, MINUTE).await.unwrap();
    let opened = received.iter().filter(|message| message.is_ok()).count();
    assert_eq!((received.len(), opened), (2, 1));
    assert_eq!(world.the_dead().1, "replayed");
}

/// The controls: with tracking off each copy is handed out.
#[tokio::test(start_paused = true)]
async fn without_tracking_every_copy_is_handed_out() {
    let world = World::new();
    let (client, copied) = prepared(&world, sealing()).await;
    next_opened(&client).await.complete().await.unwrap();
    world.inject(copied.clone()).await;
    world.inject(copied).await;
    for _ in 0..2 {
        let replay = next_opened(&client).await;
        assert_eq!(replay.body(), "pay 10 EUR");
        replay.complete().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_body_sent_twice_is_no_replay() {
    let world = World::new();
    let client = world.with_keys(tracking()).build().unwrap();
    for _ in 0..2 {
        client.send(Message::with_id("order-1", "same")).await.unwrap();
        next_opened(&client).await.complete().await.unwrap();
    }
    assert!(world.dead().is_empty());
}

/// A nonce may be forgotten once every copy of its message is too old: at no moment between does
/// a replay pass.
#[tokio::test(start_paused = true)]
async fn a_replay_is_refused_at_every_age() {
    let world = World::new();
    let (client, copied) = prepared(&world, tracking()).await;
    next_opened(&client).await.complete().await.unwrap();
    for minute in 0..30 {
        world.inject(copied.clone()).await;
        let code = next_rejected(&client).await.error.code();
        let expected = if minute <= 5 { "replayed" } else { "message_expired" };
        assert_eq!(code, expected, "after {minute} minutes");
        tokio::time::advance(MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn consumers_that_share_a_guard_refuse_each_others_replays() {
    let world = World::new();
    let guard = SwitchedGuard::new(world.clock.clone());
    let consumer = || {
        let guard = Arc::clone(&guard) as Arc<dyn ReplayGuard>;
        world.with_keys(tracking()).with_replay_guard(guard).build().unwrap()
    };
    let (one, other) = (consumer(), consumer());
    one.send(Message::new("pay 10 EUR")).await.unwrap();
    let copied = world.the_stored();
    next_opened(&one).await.complete().await.unwrap();
    world.inject(copied.clone()).await;
    assert_replay_refused(&world, &other, &copied).await;
}

#[tokio::test(start_paused = true)]
async fn consumers_with_a_guard_each_do_not_know_of_each_other() {
    let world = World::new();
    let (one, copied) = prepared(&world, tracking()).await;
    next_opened(&one).await.complete().await.unwrap();
    world.inject(copied).await;
    let other = world.with_keys(tracking()).build().unwrap();
    assert_eq!(next_opened(&other).await.body(), "pay 10 EUR");
}

/// The reservation of a crashed consumer lapses with its lock, so a copy under a new identity
/// (a redrive makes one) is not refused for ever.
#[tokio::test(start_paused = true)]
async fn a_copy_that_comes_after_a_crash_is_handed_out() {
    let world = World::new();
    let (client, copied) = prepared(&world, tracking()).await;
    drop(next_opened(&client).await); // the consumer is gone, and the queue with it
    tokio::time::sleep(LOCK).await;
    world.steal().await;
    world.inject(copied).await;
    assert_eq!(next_opened(&client).await.body(), "pay 10 EUR");
}

/// Changing the armour or the metadata gives a frame no second name.
#[tokio::test(start_paused = true)]
async fn a_copy_in_other_clothes_is_refused() {
    let world = World::new();
    let (client, copied) = prepared(&world, tracking()).await;
    next_opened(&client).await.complete().await.unwrap();
    let mut dressed = copied.clone();
    dressed.body = sealmq_crypto_core::format::armour(&copied.body).into();
    dressed.attributes.insert("traceparent".into(), "00-new".into());
    world.inject(dressed.clone()).await;
    assert_replay_refused(&world, &client, &dressed).await;
}
