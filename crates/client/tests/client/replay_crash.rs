//! A crash between marking a message as done and telling the broker: no loss, no second hand-out.

use sealmq_client::{ClientErrorKind, QueueClient, RejectionOutcome, RetryPolicy};
use sealmq_crypto_core::{CryptoConfig, CryptoErrorKind};
use sealmq_queue_core::{Message, TransportErrorKind};

use crate::replay::tracking;
use crate::support::{
    Call, Fault, FaultyTransport, LOCK, World, next_opened, next_rejected, nothing_comes, sealing,
};

/// A message whose nonce was committed, and whose broker was not told before the consumer died.
async fn completed_and_crashed(world: &World, config: CryptoConfig) -> QueueClient {
    let transport = FaultyTransport::new(&world.broker);
    let client =
        world.over(transport.clone(), config).with_retry(RetryPolicy::none()).build().unwrap();
    client.send(Message::new("pay 10 EUR")).await.unwrap();
    let handed_out = next_opened(&client).await;
    transport.fail(Call::Complete, 1, Fault::unreachable());
    let failed = handed_out.complete().await.unwrap_err();
    assert!(failed.error.is_retryable());
    drop(failed.receipt);
    tokio::time::sleep(LOCK).await;
    client
}

#[tokio::test(start_paused = true)]
async fn a_message_completed_before_a_crash_is_settled_and_not_handed_out_again() {
    let world = World::new();
    let client = completed_and_crashed(&world, tracking()).await;
    assert_eq!(world.stored().len(), 1, "the broker has not heard of it");
    let rejected = next_rejected(&client).await;
    assert_eq!(rejected.outcome, RejectionOutcome::CompletedBefore);
    assert_eq!(rejected.error.kind(), &CryptoErrorKind::Replayed);
    assert!(rejected.receipt.is_none());
    assert!(world.stored().is_empty() && world.dead().is_empty(), "settled, not dead-lettered");
    nothing_comes(&client).await;
}

/// The control: without tracking the work is done twice.
#[tokio::test(start_paused = true)]
async fn without_tracking_it_is_handed_out_again() {
    let world = World::new();
    let client = completed_and_crashed(&world, sealing()).await;
    assert_eq!(next_opened(&client).await.body(), "pay 10 EUR");
}

#[tokio::test(start_paused = true)]
async fn a_replay_after_such_a_crash_is_still_refused() {
    let world = World::new();
    let client = completed_and_crashed(&world, tracking()).await;
    let copied = world.the_stored();
    world.inject(copied).await;
    let outcomes = [next_rejected(&client).await.outcome, next_rejected(&client).await.outcome];
    assert_eq!(outcomes, [RejectionOutcome::CompletedBefore, RejectionOutcome::DeadLettered]);
}

/// The consumer died with the message and had done nothing: it comes again.
#[tokio::test(start_paused = true)]
async fn a_crash_before_completion_loses_nothing() {
    let world = World::new();
    let client = world.with_keys(tracking()).build().unwrap();
    client.send(Message::new("pay 10 EUR")).await.unwrap();
    drop(next_opened(&client).await);
    tokio::time::sleep(LOCK).await;
    assert_eq!(next_opened(&client).await.body(), "pay 10 EUR");
}

#[tokio::test(start_paused = true)]
async fn a_settlement_that_failed_can_be_tried_again_with_its_receipt() {
    let world = World::new();
    let transport = FaultyTransport::new(&world.broker);
    let client =
        world.over(transport.clone(), tracking()).with_retry(RetryPolicy::none()).build().unwrap();
    client.send(Message::new("pay 10 EUR")).await.unwrap();
    transport.fail(Call::Complete, 1, Fault::unreachable());
    let failed = next_opened(&client).await.complete().await.unwrap_err();
    failed.receipt.complete().await.unwrap();
    nothing_comes(&client).await;
    assert!(world.stored().is_empty());
}

/// The broker did it and its answer was lost: the retry learns that there is no lock any more.
#[tokio::test(start_paused = true)]
async fn a_completion_whose_answer_was_lost_is_done_once() {
    let world = World::new();
    let transport = FaultyTransport::new(&world.broker);
    let client = world.over(transport.clone(), tracking()).build().unwrap();
    client.send(Message::new("pay 10 EUR")).await.unwrap();
    transport.fail(Call::Complete, 1, Fault::AnswerLost(TransportErrorKind::Unavailable));
    let failed = next_opened(&client).await.complete().await.unwrap_err();
    assert_eq!(failed.error.kind(), &ClientErrorKind::Transport(TransportErrorKind::LockLost));
    nothing_comes(&client).await;
    assert!(world.stored().is_empty() && world.dead().is_empty());
}
