//! A replay store that is down or full: messages wait in the queue, none is lost or let through.

use std::sync::Arc;
use std::time::Duration;

use sealmq_client::{ClientErrorKind, QueueClient, RejectionOutcome, RetryPolicy};
use sealmq_crypto_core::{CryptoErrorKind, MemoryReplayGuard, ReplayGuard};
use sealmq_queue_core::Message;

use crate::processor_concurrency::{Work, options, send_numbers};
use crate::replay::tracking;
use crate::support::{
    Events, MINUTE, Metrics, QUEUE, SECOND, SwitchedGuard, World, next, next_opened, next_rejected,
    nothing_comes,
};

fn client_with(world: &World, guard: &Arc<SwitchedGuard>) -> QueueClient {
    let guard = Arc::clone(guard) as Arc<dyn ReplayGuard>;
    world.with_keys(tracking()).with_replay_guard(guard).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_down_messages_go_back_with_growing_delays() {
    let world = World::new();
    let guard = SwitchedGuard::new(world.clock.clone());
    let client = client_with(&world, &guard);
    client.send(Message::new("body")).await.unwrap();
    let sealed = world.the_stored();
    guard.set_down(true);
    for delivery in 1..6 {
        let rejected = loop {
            if let Some(received) = client.receive(1, SECOND).await.unwrap().pop() {
                break received.unwrap_err();
            }
        };
        assert_eq!(rejected.error.kind(), &CryptoErrorKind::KeyUnavailable);
        assert!(rejected.error.is_retryable());
        let longest = Duration::from_millis(100) * (1 << (delivery - 1));
        match rejected.outcome {
            RejectionOutcome::Abandoned { delay } => {
                assert!(delay >= longest / 2 && delay <= longest, "{delay:?} of {longest:?}");
            }
            other => panic!("given back, but {other:?}"),
        }
        assert_eq!(rejected.message, sealed, "no plaintext is released");
    }
    guard.set_down(false);
    tokio::time::sleep(4 * SECOND).await;
    next_opened(&client).await.complete().await.unwrap();
    assert!(world.dead().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_store_of_ten_minutes_dead_letters_nothing() {
    const MESSAGES: usize = 50;
    let world = World::new();
    let guard = SwitchedGuard::new(world.clock.clone());
    let config = tracking().with_max_age(60 * MINUTE);
    let shared = Arc::clone(&guard) as Arc<dyn ReplayGuard>;
    let client = world.with_keys(config).with_replay_guard(shared).build().unwrap();
    for n in 0..MESSAGES {
        client.send(Message::new(format!("{n}"))).await.unwrap();
    }
    guard.set_down(true);
    let end = tokio::time::Instant::now() + 10 * MINUTE;
    while tokio::time::Instant::now() < end {
        for received in client.receive(100, SECOND).await.unwrap() {
            assert!(matches!(received.unwrap_err().outcome, RejectionOutcome::Abandoned { .. }));
        }
    }
    assert_eq!((world.stored().len(), world.dead().len()), (MESSAGES, 0));
    guard.set_down(false);
    tokio::time::sleep(MINUTE).await;
    crate::support::take_texts(&client, MESSAGES).await;
}

/// A place is free again when its message is too old to be replayed.
#[tokio::test(start_paused = true)]
async fn a_full_store_makes_messages_wait_until_it_has_room() {
    let world = World::new();
    let guard = MemoryReplayGuard::with_capacity(1).with_clock(world.clock.clone());
    let client = world.with_keys(tracking()).with_replay_guard(Arc::new(guard)).build().unwrap();
    client.send(Message::new("first")).await.unwrap();
    next_opened(&client).await.complete().await.unwrap();
    tokio::time::sleep(tracking().nonce_ttl - 2 * SECOND).await;
    client.send(Message::new("second")).await.unwrap();
    let waits = next_rejected(&client).await;
    assert!(matches!(waits.outcome, RejectionOutcome::Abandoned { .. }), "{:?}", waits.outcome);
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(next_opened(&client).await.body(), "second");
    assert!(world.dead().is_empty());
}

/// An operator learns of it in time, and once each time that it fills up.
#[tokio::test(start_paused = true)]
async fn a_store_that_fills_up_is_reported_before_it_is_full() {
    let events = Events::record();
    let warnings =
        || events.named("Replay guard is filling up: once it is full, messages wait").len();
    let ((), metrics) = Metrics::of(async {
        let world = World::new();
        let guard = MemoryReplayGuard::with_capacity(10).with_clock(world.clock.clone());
        let client =
            world.with_keys(tracking()).with_replay_guard(Arc::new(guard)).build().unwrap();
        let take = async |messages| {
            send_numbers(&client, messages).await;
            crate::support::take_texts(&client, messages).await;
        };
        take(7).await;
        assert_eq!(warnings(), 0);
        for _ in 0..2 {
            take(1).await;
            assert_eq!(warnings(), 1);
        }
        tokio::time::sleep(tracking().nonce_ttl + SECOND).await;
        take(1).await;
        take(8).await;
        assert_eq!(warnings(), 2, "it had room meanwhile");
    })
    .await;
    let occupancy = metrics.gauge("queue_replay_guard_occupancy", &[("queue", QUEUE)]);
    assert_eq!(occupancy, Some(0.9));
}

/// Completing without the mark would let a replay pass later: the message stays as it was.
#[tokio::test(start_paused = true)]
async fn a_message_is_not_completed_while_the_store_is_down() {
    let world = World::new();
    let guard = SwitchedGuard::new(world.clock.clone());
    let client = client_with(&world, &guard);
    client.send(Message::new("body")).await.unwrap();
    let received = next_opened(&client).await;
    guard.set_down(true);
    let failed = received.complete().await.unwrap_err();
    assert_eq!(failed.error.kind(), &ClientErrorKind::ReplayStore);
    assert!(failed.error.is_retryable());
    assert_eq!(world.stored().len(), 1, "the broker was not told");
    guard.set_down(false);
    failed.receipt.complete().await.unwrap();
    nothing_comes(&client).await;
}

#[tokio::test(start_paused = true)]
async fn marking_a_message_as_done_is_retried_as_the_policy_says() {
    let world = World::new();
    let guard = SwitchedGuard::new(world.clock.clone());
    let client = client_with(&world, &guard);
    client.send(Message::new("body")).await.unwrap();
    guard.fail_commits(3);
    next_opened(&client).await.complete().await.unwrap();
    assert!(world.stored().is_empty());

    let shared = Arc::clone(&guard) as Arc<dyn ReplayGuard>;
    let once = world.with_keys(tracking()).with_replay_guard(shared);
    let once = once.with_retry(RetryPolicy::none()).build().unwrap();
    once.send(Message::new("body")).await.unwrap();
    guard.fail_commits(1);
    let failed = next_opened(&once).await.complete().await.unwrap_err();
    assert_eq!(failed.error.kind(), &ClientErrorKind::ReplayStore);
}

/// The place of an abandoned message lapses with its lock even where the store does not hear of it.
#[tokio::test(start_paused = true)]
async fn abandoning_works_while_the_store_is_down() {
    let world = World::new();
    let guard = SwitchedGuard::new(world.clock.clone());
    let client = client_with(&world, &guard);
    client.send(Message::new("body")).await.unwrap();
    let received = next_opened(&client).await;
    guard.set_down(true);
    received.abandon(Duration::ZERO).await.unwrap();
    guard.set_down(false);
    next(&client).await.unwrap().complete().await.unwrap();
    assert!(world.stored().is_empty());
}

/// The store may have done what it was asked for without saying so. Some brokers give a message
/// that was held back another identity: to that one it would be taken.
#[tokio::test(start_paused = true)]
async fn what_may_have_been_reserved_goes_back_with_its_message() {
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let guard = SwitchedGuard::new(world.clock.clone());
    let client = client_with(&world, &guard);
    send_numbers(&client, 1).await;
    guard.lose_answers(true);
    let processor = work.start(&client, options(1), SECOND);
    tokio::time::sleep(5 * SECOND).await;
    processor.stop(MINUTE).await;
    guard.lose_answers(false);
    tokio::time::sleep(SECOND).await; // not so long that it lapses
    world.tamper(|_| {}).await;
    next_opened(&client).await.complete().await.unwrap();
    assert!(world.dead().is_empty() && work.done() == 0);
}
