//! The age of a message: five minutes by default, two minutes of skew, by an authenticated time.

use std::sync::Arc;
use std::time::Duration;

use sealmq_client::{QueueClient, RejectionOutcome};
use sealmq_crypto_core::{CryptoConfig, CryptoErrorKind, ManualClock};
use sealmq_queue_core::Message;
use tokio::time::advance;

use crate::support::{
    CANARY, MINUTE, START_MS, World, next_opened, next_rejected, nothing_comes, sealing,
};

const MILLISECOND: Duration = Duration::from_millis(1);

/// A client whose messages will be this old when they are received.
async fn sent_before(world: &World, config: CryptoConfig, age: Duration) -> QueueClient {
    let client = world.with_keys(config).build().unwrap();
    client.send(Message::new(CANARY)).await.unwrap();
    advance(age).await;
    client
}

/// A client that seals by a clock that is so far ahead.
async fn sent_from_the_future(world: &World, config: CryptoConfig, ahead: Duration) -> QueueClient {
    let clock = ManualClock::at_unix_ms(START_MS);
    clock.advance(ahead);
    let sender = world.with_keys(config.clone()).with_clock(Arc::new(clock)).build().unwrap();
    sender.send(Message::new(CANARY)).await.unwrap();
    world.with_keys(config).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_message_of_two_minutes_is_accepted() {
    let world = World::new();
    let client = sent_before(&world, sealing(), 2 * MINUTE).await;
    assert_eq!(next_opened(&client).await.body(), CANARY);
}

#[tokio::test(start_paused = true)]
async fn a_message_of_ten_minutes_is_refused_with_its_time_and_the_limit() {
    let world = World::new();
    let client = sent_before(&world, sealing(), 10 * MINUTE).await;
    let sealed = world.the_stored();
    let rejected = next_rejected(&client).await;
    let expected = CryptoErrorKind::MessageExpired {
        encrypted_at_ms: START_MS,
        age: 10 * MINUTE,
        max_age: 5 * MINUTE,
    };
    assert_eq!(rejected.error.kind(), &expected);
    let text = rejected.error.to_string();
    for part in [&START_MS.to_string(), "600 s", "300 s"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(rejected.outcome, RejectionOutcome::DeadLettered);
    assert_eq!(rejected.message, sealed, "no plaintext is released");
    assert_eq!(world.the_dead(), (sealed, "message_expired".to_owned()));
    nothing_comes(&client).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_of_ten_minutes_is_accepted_where_no_age_is_set() {
    let world = World::new();
    let client = sent_before(&world, sealing().without_freshness(), 10 * MINUTE).await;
    assert_eq!(next_opened(&client).await.body(), CANARY);
}

#[tokio::test(start_paused = true)]
async fn the_limit_itself_is_accepted_and_a_millisecond_more_is_not() {
    let world = World::new();
    let client = sent_before(&world, sealing(), 5 * MINUTE).await;
    next_opened(&client).await.complete().await.unwrap();
    let client = sent_before(&world, sealing(), 5 * MINUTE + MILLISECOND).await;
    assert_eq!(next_rejected(&client).await.error.code(), "message_expired");
}

#[tokio::test(start_paused = true)]
async fn the_limit_can_be_set() {
    let world = World::new();
    let config = sealing().with_max_age(60 * MINUTE);
    let client = sent_before(&world, config.clone(), 60 * MINUTE).await;
    next_opened(&client).await.complete().await.unwrap();
    let client = sent_before(&world, config, 60 * MINUTE + MILLISECOND).await;
    assert_eq!(next_rejected(&client).await.error.code(), "message_expired");
}

#[tokio::test(start_paused = true)]
async fn a_message_from_two_minutes_ahead_is_accepted_and_a_millisecond_more_is_not() {
    let world = World::new();
    let client = sent_from_the_future(&world, sealing(), 2 * MINUTE).await;
    next_opened(&client).await.complete().await.unwrap();

    let ahead = 2 * MINUTE + MILLISECOND;
    let client = sent_from_the_future(&world, sealing(), ahead).await;
    let rejected = next_rejected(&client).await;
    let expected = CryptoErrorKind::MessageFromFuture {
        encrypted_at_ms: START_MS + 120_001,
        ahead,
        max_skew: 2 * MINUTE,
    };
    assert_eq!(rejected.error.kind(), &expected);
    assert!(rejected.error.to_string().contains("120 s in the future"), "{}", rejected.error);
    assert_eq!(world.the_dead().1, "message_from_future");
}

#[tokio::test(start_paused = true)]
async fn a_message_from_the_future_is_accepted_where_no_age_is_set() {
    let world = World::new();
    let client = sent_from_the_future(&world, sealing().without_freshness(), 60 * MINUTE).await;
    assert_eq!(next_opened(&client).await.body(), CANARY);
}

/// The broker's own times are the attacker's to set: a message sent anew is as old as it was.
#[tokio::test(start_paused = true)]
async fn sending_an_old_message_anew_does_not_make_it_young() {
    let world = World::new();
    let client = sent_before(&world, sealing(), 4 * MINUTE).await;
    let stolen = world.steal().await;
    advance(4 * MINUTE).await;
    world.inject(stolen).await;
    assert_eq!(next_rejected(&client).await.error.code(), "message_expired");
}

/// Age is judged on what is authentic: a frame that is both old and changed was changed.
#[tokio::test(start_paused = true)]
async fn a_message_that_is_old_and_changed_counts_as_changed() {
    let world = World::new();
    let client = sent_before(&world, sealing(), 10 * MINUTE).await;
    world.tamper(|message| message.id = "another".into()).await;
    assert_eq!(next_rejected(&client).await.error.code(), "authentication_failed");
}

#[tokio::test(start_paused = true)]
async fn a_redelivery_is_judged_by_its_age_then() {
    let world = World::new();
    let client = sent_before(&world, sealing(), MINUTE).await;
    next_opened(&client).await.abandon(10 * MINUTE).await.unwrap();
    advance(10 * MINUTE).await;
    assert_eq!(next_rejected(&client).await.error.code(), "message_expired");
}
