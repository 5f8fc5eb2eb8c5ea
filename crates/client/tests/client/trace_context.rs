//! The trace context travels with the message, sealed or not, and is shown for what it is.

use sealmq_queue_core::Message;

use crate::support::{World, next_opened};

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn traced() -> Message {
    Message::new("body").with_attribute("traceparent", TRACEPARENT)
}

#[tokio::test(start_paused = true)]
async fn a_traceparent_travels_beside_a_sealed_body() {
    let world = World::new();
    let client = world.sealing();
    client.send(traced()).await.unwrap();
    assert_eq!(world.the_stored().attributes["traceparent"], TRACEPARENT, "tools can read it");
    let received = next_opened(&client).await.message;
    assert_eq!(received.traceparent(), Some(TRACEPARENT));
    assert!(!received.message.attributes.contains_key("traceparent"), "it is not authentic");
}

#[tokio::test(start_paused = true)]
async fn a_traceparent_travels_beside_a_plaintext() {
    let world = World::new();
    let client = world.plain();
    client.send(traced()).await.unwrap();
    assert_eq!(next_opened(&client).await.message.traceparent(), Some(TRACEPARENT));
}

#[tokio::test(start_paused = true)]
async fn a_traceparent_that_a_bridge_added_is_exposed() {
    let world = World::new();
    let client = world.sealing();
    client.send(Message::new("body")).await.unwrap();
    world
        .tamper(|message| {
            message.attributes.insert("traceparent".into(), TRACEPARENT.into());
        })
        .await;
    assert_eq!(next_opened(&client).await.message.traceparent(), Some(TRACEPARENT));
}

#[tokio::test(start_paused = true)]
async fn a_message_without_one_has_none() {
    let world = World::new();
    let client = world.sealing();
    client.send(Message::new("body")).await.unwrap();
    assert_eq!(next_opened(&client).await.message.traceparent(), None);
}
