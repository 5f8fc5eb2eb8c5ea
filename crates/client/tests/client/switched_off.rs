//! Encryption off, which is the default: it costs nothing and changes nothing, and it is not silent.

use std::sync::Arc;

use bytes::Bytes;
use sealmq_client::QueueClient;
use sealmq_crypto_core::CryptoConfig;
use sealmq_keys_local::MemoryKms;
use sealmq_queue_core::Message;
use tracing::Level;

use crate::support::{
    Events, Metrics, QUEUE, SwitchedKeys, SwitchedKms, World, next_opened, sealing,
};

#[tokio::test(start_paused = true)]
async fn encryption_is_off_by_default() {
    let world = World::new();
    let client = QueueClient::builder(QUEUE).with_transport(Arc::new(world.broker.clone()));
    assert!(!client.build().unwrap().config().enabled);
}

#[tokio::test(start_paused = true)]
async fn no_key_is_asked_for() {
    let world = World::new();
    let (keys, kms) = (SwitchedKeys::new(&world.keys), SwitchedKms::new(&MemoryKms::new()));
    let client = |config| {
        let builder = world.keyless(config).with_key_provider(keys.clone());
        builder.with_key_management("main", kms.clone()).build().unwrap()
    };
    let off = client(CryptoConfig::default());
    off.send(Message::new("body")).await.unwrap();
    next_opened(&off).await.complete().await.unwrap();
    assert_eq!((keys.switch.calls(), kms.switch.calls()), (0, 0));

    client(sealing()).send(Message::new("body")).await.unwrap();
    assert!(kms.switch.calls() > 0, "the control: sealing asks");
}

#[tokio::test(start_paused = true)]
async fn the_body_is_handed_on_without_a_copy() {
    let world = World::new();
    let client = world.plain();
    let body = Bytes::from(vec![7; 100_000]);
    let at = body.as_ptr();
    client.send(Message::new(body)).await.unwrap();
    assert_eq!(world.the_stored().body.as_ptr(), at, "sending copies nothing");
    assert_eq!(next_opened(&client).await.body().as_ptr(), at, "receiving copies nothing");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_added_to_the_message() {
    let world = World::new();
    let client = world.plain();
    let message = crate::support::attack::rich_message();
    client.send(message.clone()).await.unwrap();
    assert_eq!(world.the_stored(), message);
    assert_eq!(next_opened(&client).await.message.message, message);
}

#[tokio::test(start_paused = true)]
async fn every_message_is_warned_of_and_counted_on_both_sides() {
    const MESSAGES: usize = 5;
    let events = Events::record();
    let ((), metrics) = Metrics::of(async {
        let world = World::new();
        let client = world.plain();
        for n in 0..MESSAGES {
            let message = Message::with_id(format!("m-{n}"), "body").with_session_id("s");
            client.send(message).await.unwrap();
        }
        crate::support::take_texts(&client, MESSAGES).await;
    })
    .await;
    for (side, counter) in
        [("sent", "queue_messages_sent_total"), ("received", "queue_messages_received_total")]
    {
        let warnings = events.named(&format!("Message {side} WITHOUT encryption"));
        let ids: Vec<_> = warnings.iter().map(|event| event.field("message_id")).collect();
        assert_eq!(ids, ["m-0", "m-1", "m-2", "m-3", "m-4"], "{side}");
        for warning in &warnings {
            assert_eq!(warning.level, Level::WARN);
            assert_eq!(warning.field("queue"), QUEUE);
            assert_eq!(warning.field("session_id"), "s");
            assert_eq!(warning.field("encrypted"), "false");
        }
        let count =
            |encrypted| metrics.counter(counter, &[("queue", QUEUE), ("encrypted", encrypted)]);
        assert_eq!((count("false"), count("true")), (MESSAGES as u64, 0));
    }
    assert_eq!(metrics.gauge("queue_crypto_enabled", &[("queue", QUEUE)]), Some(0.0));
}

/// A message that was not sent was not sent in the clear either.
#[tokio::test(start_paused = true)]
async fn a_send_that_fails_is_not_warned_of() {
    let events = Events::record();
    let world = World::new();
    let client = world.plain().for_queue("missing").unwrap();
    client.send(Message::new("body")).await.unwrap_err();
    assert!(events.named("Message sent WITHOUT encryption").is_empty());
}
