//! A batch that fails in part: only what failed is sent again, and each message is reported for itself.

use std::sync::atomic::{AtomicUsize, Ordering};

use sealmq_client::{ClientErrorKind, QueueClient};
use sealmq_queue_core::{Message, TransportErrorKind};

use crate::support::{
    Events, FaultyTransport, Metrics, QUEUE, World, nothing_comes, sealing, take_texts,
};

fn prepared(world: &World) -> (QueueClient, FaultyTransport) {
    let transport = FaultyTransport::new(&world.broker);
    (world.over(transport.clone(), sealing()).build().unwrap(), transport)
}

fn batch(count: usize) -> Vec<Message> {
    let message = |n| Message::with_id(format!("m-{n}"), format!("{n}")).with_attribute("n", "1");
    (0..count).map(message).collect()
}

fn ids(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.id.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn only_the_failed_entries_are_sent_again() {
    let world = World::new();
    let (client, transport) = prepared(&world);
    let refusals = AtomicUsize::new(2);
    transport.refuse(move |message| {
        let unlucky = matches!(message.id.as_str(), "m-1" | "m-4");
        let refuse = unlucky
            && refusals
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
                .is_ok();
        refuse.then_some(TransportErrorKind::Unavailable)
    });
    let sent = client.send_batch(batch(6)).await;
    assert!(sent.iter().all(Result::is_ok));
    let batches = transport.sent();
    assert_eq!(batches.len(), 2);
    assert_eq!(ids(&batches[0]), ["m-0", "m-1", "m-2", "m-3", "m-4", "m-5"]);
    assert_eq!(ids(&batches[1]), ["m-1", "m-4"]);
    assert_eq!(batches[1][0], batches[0][1], "with the same frames");
    assert_eq!(batches[1][1], batches[0][4], "with the same frames");
    let mut texts = take_texts(&client, 6).await;
    texts.sort();
    assert_eq!(texts, ["0", "1", "2", "3", "4", "5"]);
    nothing_comes(&client).await;
}

#[tokio::test(start_paused = true)]
async fn results_stand_in_the_order_of_the_batch() {
    let world = World::new();
    let (client, transport) = prepared(&world);
    transport.refuse(|message| match message.id.as_str() {
        "m-1" => Some(TransportErrorKind::Denied),
        "m-3" => Some(TransportErrorKind::Unavailable),
        _ => None,
    });
    let sent = client.send_batch(batch(5)).await;
    let failed: Vec<_> = sent.iter().map(|outcome| outcome.as_ref().err()).collect();
    for (index, failure) in failed.iter().enumerate() {
        let expected = match index {
            1 => Some(TransportErrorKind::Denied),
            3 => Some(TransportErrorKind::Unavailable),
            _ => None,
        };
        let kind = failure.map(|failure| failure.error.kind().clone());
        assert_eq!(kind, expected.map(ClientErrorKind::Transport), "entry {index}");
        if let Some(failure) = failure {
            assert_eq!(*failure.message, batch(5)[index], "as it was given, not sealed");
        }
    }
    assert_eq!(ids(&transport.sent()[3]), ["m-3"], "only what may succeed later is tried again");
}

#[tokio::test(start_paused = true)]
async fn a_batch_with_one_invalid_message_is_not_sent_at_all() {
    let world = World::new();
    let (client, transport) = prepared(&world);
    let mut messages = batch(3);
    messages[1].id = "no spaces please".into();
    let sent = client.send_batch(messages.clone()).await;
    let kinds: Vec<_> =
        sent.iter().map(|outcome| outcome.as_ref().unwrap_err().error.kind().clone()).collect();
    let invalid = ClientErrorKind::Transport(TransportErrorKind::InvalidInput { field: "id" });
    let bystander = ClientErrorKind::InvalidInput { field: "batch" };
    assert_eq!(kinds, [bystander.clone(), invalid, bystander]);
    let back: Vec<_> = sent.into_iter().map(|outcome| *outcome.unwrap_err().message).collect();
    assert_eq!(back, messages, "all of them come back unchanged");
    assert!(transport.sent().is_empty());
}

/// A value that is too long to be bound is found before anything is sealed or sent.
#[tokio::test(start_paused = true)]
async fn a_batch_with_a_value_too_long_to_bind_is_not_sent_at_all() {
    let world = World::new();
    let (client, transport) = prepared(&world);
    let mut messages = batch(2);
    messages[0].attributes.insert("long".into(), "x".repeat(70_000));
    for (outcome, message) in client.send_batch(messages.clone()).await.into_iter().zip(messages) {
        assert_eq!(*outcome.unwrap_err().message, message);
    }
    assert!(transport.sent().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_is_counted_and_logged_once() {
    let events = Events::record();
    let ((), metrics) = Metrics::of(async {
        let world = World::new();
        let (client, transport) = prepared(&world);
        transport.refuse(|message| match message.id.as_str() {
            "m-3" => Some(TransportErrorKind::Unavailable),
            _ => None,
        });
        client.send_batch(batch(4)).await;
    })
    .await;
    let labels = [("queue", QUEUE), ("encrypted", "true")];
    assert_eq!(metrics.counter("queue_messages_sent_total", &labels), 3);
    let logged = events.named("Message sent with encryption");
    let ids: Vec<_> = logged.iter().map(|event| event.field("message_id")).collect();
    assert_eq!(ids, ["m-0", "m-1", "m-2"]);
}
