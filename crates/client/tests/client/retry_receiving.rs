//! Receiving and settling are retried like sending: a transient failure costs a pause, not a message.

use sealmq_client::{ClientErrorKind, QueueClient, RetryPolicy};
use sealmq_queue_core::{Message, SessionSelector, TransportErrorKind};
use sealmq_transport_memory::{QueueKind, QueueSettings};

use crate::support::{
    Call, Fault, FaultyTransport, LOCK, SECOND, World, next_opened, nothing_comes, sealing,
};

async fn prepared(world: &World, retry: RetryPolicy) -> (QueueClient, FaultyTransport) {
    let transport = FaultyTransport::new(&world.broker);
    let client = world.over(transport.clone(), sealing()).with_retry(retry).build().unwrap();
    client.send(Message::new("body").with_session_id("s")).await.unwrap();
    (client, transport)
}

#[tokio::test(start_paused = true)]
async fn a_receive_that_fails_is_repeated_on_a_fresh_receiver() {
    let world = World::new();
    let (client, transport) = prepared(&world, RetryPolicy::default()).await;
    transport.fail(Call::Recv, 3, Fault::unreachable());
    assert_eq!(next_opened(&client).await.body(), "body");
    assert_eq!(transport.calls(Call::Recv).len(), 4);
    assert_eq!(transport.calls(Call::Open).len(), 4, "what failed is not used again");
}

#[tokio::test(start_paused = true)]
async fn opening_the_queue_is_repeated() {
    let world = World::new();
    let (client, transport) = prepared(&world, RetryPolicy::default()).await;
    transport.fail(Call::Open, 2, Fault::unreachable());
    assert_eq!(next_opened(&client).await.body(), "body");
    assert_eq!(transport.calls(Call::Open).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_receive_that_goes_on_failing_says_so_and_the_next_one_works() {
    let world = World::new();
    let (client, transport) = prepared(&world, RetryPolicy::default()).await;
    transport.fail(Call::Recv, 4, Fault::unreachable());
    let error = client.receive(1, SECOND).await.unwrap_err();
    assert_eq!(error.kind(), &ClientErrorKind::Transport(TransportErrorKind::Unavailable));
    assert!(error.is_retryable());
    assert_eq!(next_opened(&client).await.body(), "body");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_succeed_later_is_not_repeated() {
    let world = World::new();
    let (client, transport) = prepared(&world, RetryPolicy::default()).await;
    transport.fail(Call::Recv, 1, Fault::Refused(TransportErrorKind::Denied));
    let error = client.receive(1, SECOND).await.unwrap_err();
    assert_eq!(error.kind(), &ClientErrorKind::Transport(TransportErrorKind::Denied));
    assert_eq!(transport.calls(Call::Recv).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_settlement_is_repeated_until_it_succeeds() {
    for call in [Call::Complete, Call::Abandon, Call::DeadLetter, Call::Defer] {
        let world = World::new();
        let (client, transport) = prepared(&world, RetryPolicy::default()).await;
        transport.fail(call, 3, Fault::unreachable());
        let received = next_opened(&client).await;
        match call {
            Call::Complete => received.complete().await,
            Call::Abandon => received.abandon(SECOND).await,
            Call::DeadLetter => received.dead_letter("Broken", "for good").await,
            _ => received.receipt.defer().await,
        }
        .unwrap();
        assert_eq!(transport.calls(call).len(), 4, "{call:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_settlement_that_goes_on_failing_gives_the_receipt_back() {
    let world = World::new();
    let (client, transport) = prepared(&world, RetryPolicy::default()).await;
    transport.fail(Call::Complete, 4, Fault::unreachable());
    let failed = next_opened(&client).await.complete().await.unwrap_err();
    assert!(failed.error.is_retryable());
    assert_eq!(failed.receipt.metadata().delivery_count, 1);
    failed.receipt.complete().await.unwrap();
    nothing_comes(&client).await;
}

#[tokio::test(start_paused = true)]
async fn settling_after_the_lock_was_lost_says_so_and_is_not_repeated() {
    let world = World::new();
    let (client, transport) = prepared(&world, RetryPolicy::default()).await;
    let received = next_opened(&client).await;
    tokio::time::sleep(LOCK).await;
    let failed = received.complete().await.unwrap_err();
    assert_eq!(failed.error.kind(), &ClientErrorKind::Transport(TransportErrorKind::LockLost));
    assert_eq!(transport.calls(Call::Complete).len(), 1);
    assert_eq!(next_opened(&client).await.body(), "body", "it comes again");
}

#[tokio::test(start_paused = true)]
async fn accepting_a_session_is_repeated() {
    let world = World::with_queue(QueueSettings::default().with_kind(QueueKind::Sessions));
    let (client, transport) = prepared(&world, RetryPolicy::default()).await;
    transport.fail(Call::Open, 2, Fault::unreachable());
    let session = client.accept_session(SessionSelector::Next, SECOND).await.unwrap().unwrap();
    assert_eq!(session.id().unwrap(), "s");
    assert_eq!(transport.calls(Call::Open).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn opening_the_dead_letter_queue_is_repeated() {
    let world = World::new();
    let (client, transport) = prepared(&world, RetryPolicy::default()).await;
    next_opened(&client).await.dead_letter("Broken", "for good").await.unwrap();
    transport.fail(Call::Open, 2, Fault::unreachable());
    transport.fail(Call::Recv, 2, Fault::unreachable());
    let letters = client.dead_letters().await.unwrap();
    assert_eq!(letters.receive(1, SECOND).await.unwrap().len(), 1);
}
