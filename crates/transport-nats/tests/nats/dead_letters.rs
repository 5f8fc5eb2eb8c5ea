//! Dead letters: moved whole, with their reason, and never lost on the way there or back.

use std::time::Duration;

use async_nats::jetstream;
use sealmq_queue_core::{Certainty, DeadLetterInfo, Message, Transport, TransportErrorKind};
use sealmq_transport_nats::NatsQueueSettings;

use crate::support::{Queue, SHORT_LOCK, kind, nothing, one, take, url};

fn info(reason: &str, description: &str) -> Option<DeadLetterInfo> {
    Some(DeadLetterInfo { reason: Some(reason.into()), description: Some(description.into()) })
}

async fn dead_letter_one(queue: &Queue) {
    let held = one(&*queue.open().await).await;
    held.receipt.dead_letter("Broken", "cannot be read").await.unwrap();
}

#[tokio::test]
async fn a_dead_letter_moves_whole_and_with_its_reason() {
    let queue = Queue::short_lock().await;
    let sent = Message::new((0..=255u8).collect::<Vec<_>>())
        .with_session_id("group")
        .with_correlation_id("request")
        .with_attribute("umlaut", "Grüße ")
        .with_attribute("Nats-TTL", "1s");
    queue.send(sent.clone()).await;
    let held = one(&*queue.open().await).await;
    let description = "see \"operations\",\n3.1";
    let certainty = held.receipt.dead_letter("Broken", description).await.unwrap();
    assert_eq!(certainty, Certainty::Confirmed);

    let dead = one(&*queue.open_dead().await).await;
    assert_eq!(dead.message, sent);
    assert_eq!(dead.receipt.metadata().dead_letter, info("Broken", description));
    assert_eq!(dead.receipt.metadata().delivery_count, 1);
    tokio::time::sleep(2 * SHORT_LOCK).await;
    nothing(&*queue.open().await).await;
}

#[tokio::test]
async fn a_message_of_the_largest_size_can_be_dead_lettered() {
    let queue = Queue::new().await;
    let mut message = Message::new("").with_attribute("long", "%".repeat(20_500));
    let limits = &queue.transport.capabilities().limits;
    message.body = vec![1; limits.max_body_bytes(message.metadata_bytes())].into();
    queue.send(message.clone()).await;
    let held = one(&*queue.open().await).await;
    held.receipt.dead_letter("r".repeat(1_000), "\n".repeat(10_000)).await.unwrap();
    assert_eq!(one(&*queue.open_dead().await).await.message, message);
}

#[tokio::test]
async fn a_message_that_was_delivered_too_often_is_dead_lettered_instead_of_handed_out() {
    let queue = Queue::with(NatsQueueSettings::default().with_max_deliveries(3)).await;
    let receiver = queue.open().await;
    let sent = Message::new("poison");
    queue.send(sent.clone()).await;
    for count in 1..=3 {
        let delivery = one(&*receiver).await;
        assert_eq!(delivery.receipt.metadata().delivery_count, count);
        delivery.receipt.abandon(Duration::ZERO).await.unwrap();
    }
    nothing(&*receiver).await;
    let dead = one(&*queue.open_dead().await).await;
    assert_eq!(dead.message, sent);
    let expected = info("MaxDeliveryCountExceeded", "delivered 3 times");
    assert_eq!(dead.receipt.metadata().dead_letter, expected);
    dead.receipt.complete().await.unwrap();
    assert!(queue.transport.peek(&queue.source(), 0, 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_exhausted_message_does_not_hold_up_those_behind_it() {
    let queue = Queue::with(NatsQueueSettings::default().with_max_deliveries(1)).await;
    let receiver = queue.open().await;
    queue.send(Message::new("poison")).await;
    one(&*receiver).await.receipt.abandon(Duration::ZERO).await.unwrap();
    queue.send(Message::new("fine")).await;
    let taken = take(&*receiver, 1).await;
    assert_eq!(taken[0].body, "fine");
}

/// A consumer that somebody else made may have a limit of the server's own. After its last
/// delivery the server is silent, so that delivery is the one that dead-letters.
#[tokio::test]
async fn the_servers_own_limit_leaves_no_message_stuck() {
    let queue = Queue::short_lock().await;
    let (stream, _) = queue.transport.stream_names(&queue.name).unwrap();
    let client = async_nats::connect(url()).await.unwrap();
    let stream = jetstream::new(client).get_stream(stream).await.unwrap();
    stream.delete_consumer("sealmq").await.unwrap();
    let consumer = jetstream::consumer::pull::Config {
        durable_name: Some("sealmq".into()),
        ack_wait: SHORT_LOCK,
        max_deliver: 3,
        filter_subject: format!("sealmq.queue.{}", queue.name),
        ..Default::default()
    };
    stream.create_consumer(consumer).await.unwrap();

    let receiver = queue.open().await;
    queue.send(Message::new("poison")).await;
    for _ in 0..2 {
        one(&*receiver).await.receipt.abandon(Duration::ZERO).await.unwrap();
    }
    nothing(&*receiver).await;
    assert_eq!(one(&*queue.open_dead().await).await.message.body, "poison");
}

#[tokio::test]
async fn without_its_dead_letter_queue_a_message_stays_where_it_is() {
    let queue = Queue::short_lock().await;
    let receiver = queue.open().await;
    queue.send(Message::new("nowhere to go")).await;
    let held = one(&*receiver).await;
    let (_, dead_stream) = queue.transport.stream_names(&queue.name).unwrap();
    let client = async_nats::connect(url()).await.unwrap();
    jetstream::new(client).delete_stream(dead_stream).await.unwrap();
    let failed = held.receipt.dead_letter("Broken", "no queue for it").await.unwrap_err();
    assert_eq!(failed.error.kind(), &TransportErrorKind::NotFound);
    drop(failed);
    let again = one(&*receiver).await;
    assert_eq!(again.message.body, "nowhere to go");
}

#[tokio::test]
async fn a_dead_letter_cannot_be_dead_lettered_again() {
    let queue = Queue::new().await;
    queue.send(Message::new("body")).await;
    dead_letter_one(&queue).await;
    let dead = one(&*queue.open_dead().await).await;
    let refused = dead.receipt.dead_letter("Broken", "again").await.unwrap_err();
    let invalid = TransportErrorKind::InvalidInput { field: "settlement" };
    assert_eq!(refused.error.kind(), &invalid);
    refused.receipt.complete().await.unwrap();
}

#[tokio::test]
async fn a_redriven_message_is_back_once_and_as_new() {
    let queue = Queue::new().await;
    let sent = Message::new("second chance").with_attribute("tenant", "acme");
    queue.send(sent.clone()).await;
    dead_letter_one(&queue).await;
    assert_eq!(queue.transport.redrive(&queue.name, 10).await.unwrap(), 1);
    let receiver = queue.open().await;
    let again = one(&*receiver).await;
    assert_eq!(again.message, sent);
    assert_eq!(again.receipt.metadata().delivery_count, 1);
    assert_eq!(again.receipt.metadata().dead_letter, None);
    again.receipt.complete().await.unwrap();
    nothing(&*receiver).await;
    nothing(&*queue.open_dead().await).await;
    assert_eq!(queue.transport.redrive(&queue.name, 10).await.unwrap(), 0);
}

/// The copies' ids are derived from the stored original: were they from the message id alone, the
/// second dead letter would be dropped as a duplicate of the first, and the message lost.
#[tokio::test]
async fn a_message_survives_going_back_and_forth_within_the_duplicate_window() {
    let queue = Queue::new().await;
    queue.send(Message::with_id("the-same", "body")).await;
    for _ in 0..3 {
        dead_letter_one(&queue).await;
        assert_eq!(queue.transport.redrive(&queue.name, 1).await.unwrap(), 1);
    }
    let taken = take(&*queue.open().await, 1).await;
    assert_eq!(taken[0].id, "the-same");
}

#[tokio::test]
async fn no_more_is_redriven_than_asked_for() {
    let queue = Queue::new().await;
    let ids = queue.send_many(250).await;
    let receiver = queue.open().await;
    while let batch = receiver.recv(100, Duration::ZERO).await.unwrap()
        && !batch.is_empty()
    {
        for delivery in batch {
            delivery.receipt.dead_letter("Broken", "all of them").await.unwrap();
        }
    }
    assert_eq!(queue.transport.redrive(&queue.name, 130).await.unwrap(), 130);
    let mut back = take(&*receiver, 130).await;
    back.extend(take(&*queue.open_dead().await, 120).await);
    assert_eq!(
        back.into_iter().map(|message| message.id).collect::<std::collections::BTreeSet<_>>(),
        ids
    );
}

#[tokio::test]
async fn redriving_a_missing_queue_is_not_found() {
    let transport = crate::support::connect().await;
    let missing = crate::support::unique("missing");
    assert_eq!(kind(transport.redrive(&missing, 1).await), TransportErrorKind::NotFound);
}
