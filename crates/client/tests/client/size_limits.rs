//! The largest message: what `max_body_bytes` says is exact, and one byte more costs nothing.

use std::sync::Arc;
use std::time::Duration;

use sealmq_client::{ClientErrorKind, QueueClient};
use sealmq_crypto_core::CryptoConfig;
use sealmq_keys_local::{MemoryKeyring, MemoryKms};
use sealmq_queue_core::{BodyEncoding, Limits, Message, TransportErrorKind};
use sealmq_transport_memory::{MemoryTransport, QueueSettings};

use crate::support::attack::rich_message;
use crate::support::{
    Call, FaultyTransport, QUEUE, SwitchedKeys, SwitchedKms, World, key_id, next_opened, sealing,
    with_body,
};

/// 1 MiB for the base64 of the body and all attributes, of which there are ten at most.
fn like_sqs() -> Limits {
    Limits {
        max_message_bytes: 1_048_576,
        body_encoding: BodyEncoding::Base64,
        max_attributes: 10,
        empty_attribute_values: false,
        max_delay: Duration::from_secs(900),
        ..Limits::default()
    }
}

/// 256 KiB for the body and all properties.
fn like_service_bus() -> Limits {
    Limits { max_message_bytes: 256 * 1024, ..Limits::default() }
}

/// A broker with these limits, and the longest key id there can be.
fn world_with(limits: Limits) -> World {
    let broker = MemoryTransport::builder().limits(limits);
    let mut world =
        World::with_broker(broker.queue(QUEUE, QueueSettings::default()).build().unwrap());
    world.keys = MemoryKeyring::generate(key_id(&"k".repeat(64))).unwrap();
    world
}

/// The largest body is sent and arrives; one byte more is refused before any key call or I/O.
async fn limit_is_exact(world: &World, message: Message, config: CryptoConfig) -> usize {
    let (keys, transport) = (SwitchedKeys::new(&world.keys), FaultyTransport::new(&world.broker));
    let builder = world.keyless_over(transport.clone(), config).with_key_provider(keys.clone());
    let client = builder.build().unwrap();
    let limit = client.max_body_bytes(&message);

    let too_large = with_body(message.clone(), vec![b'x'; limit + 1]);
    let failed = client.send(too_large.clone()).await.unwrap_err();
    let kind = TransportErrorKind::TooLarge { size_bytes: limit + 1, limit_bytes: limit };
    assert_eq!(failed.error.kind(), &ClientErrorKind::Transport(kind));
    assert!(!failed.error.is_retryable());
    assert_eq!(*failed.message, too_large, "it comes back unchanged");
    assert_eq!((keys.switch.calls(), transport.calls(Call::Send).len()), (0, 0));

    let largest = with_body(message, vec![b'x'; limit]);
    client.send(largest.clone()).await.unwrap();
    let received = next_opened(&client).await;
    assert_eq!(received.message.message, largest);
    received.complete().await.unwrap();
    limit
}

fn base64_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_a_broker_like_service_bus_is_exact() {
    let world = world_with(like_service_bus());
    for message in [Message::new(""), rich_message()] {
        let limit = limit_is_exact(&world, message.clone(), sealing()).await;
        world.sealing().send(with_body(message, vec![0; limit])).await.unwrap();
        let stored = world.steal().await;
        let size = stored.body.len() + stored.metadata_bytes();
        assert_eq!(size, 256 * 1024, "not a byte is wasted");
    }
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_a_broker_like_sqs_is_exact_attributes_and_base64_included() {
    let world = world_with(like_sqs());
    for message in [Message::new(""), rich_message()] {
        let limit = limit_is_exact(&world, message.clone(), sealing()).await;
        world.sealing().send(with_body(message, vec![0; limit])).await.unwrap();
        let stored = world.steal().await;
        let size = |body_bytes| base64_len(body_bytes) + stored.metadata_bytes();
        assert!(size(stored.body.len()) <= 1_048_576);
        assert!(size(stored.body.len() + 1) > 1_048_576, "one byte more would not fit");
    }
}

#[tokio::test(start_paused = true)]
async fn the_limit_is_exact_with_encryption_off() {
    for limits in [like_service_bus(), like_sqs()] {
        let world = world_with(limits);
        limit_is_exact(&world, Message::new(""), CryptoConfig::default()).await;
        limit_is_exact(&world, rich_message(), CryptoConfig::default()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_limit_allows_for_wrapped_keys() {
    let world = world_with(like_service_bus());
    let (near, far) = (SwitchedKms::new(&MemoryKms::new()), SwitchedKms::new(&MemoryKms::new()));
    let builder = world.keyless(sealing()).with_key_management("near", near.clone());
    let client = builder.with_key_management("far", far).build().unwrap();
    let limit = client.max_body_bytes(&Message::new(""));
    client.send(Message::new(vec![0; limit + 1])).await.unwrap_err();
    assert_eq!(near.switch.calls(), 0);
    client.send(Message::new(vec![0; limit])).await.unwrap();
    let stored = world.the_stored();
    assert_eq!(stored.body.len() + stored.metadata_bytes(), 256 * 1024);
    assert_eq!(next_opened(&client).await.body().len(), limit);
}

/// A rotation to a longer key id must not make a message too large that was not.
#[tokio::test(start_paused = true)]
async fn the_limit_does_not_change_with_the_key() {
    let world = World::with_broker(world_with(like_service_bus()).broker);
    let client = world.sealing();
    let before = client.max_body_bytes(&Message::new(""));
    world.keys.rotate(key_id(&"k".repeat(64))).unwrap();
    assert_eq!(client.max_body_bytes(&Message::new("")), before);
    client.send(Message::new(vec![0; before])).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn reserved_attribute_names_are_refused() {
    let world = World::new();
    for client in [world.sealing(), world.plain()] {
        for name in ["sealmq-bound", "sealmq-", "sealmq-anything"] {
            let message = Message::new("body").with_attribute(name, "forged");
            let failed = client.send(message.clone()).await.unwrap_err();
            let expected = ClientErrorKind::InvalidInput { field: "attributes" };
            assert_eq!(failed.error.kind(), &expected, "{name}");
            assert_eq!(failed.message.body, "body");
        }
        client.send(Message::new("").with_attribute("sealmq", "free")).await.unwrap();
    }
    assert_eq!(world.stored().len(), 2);
}

fn with_attributes(count: usize) -> Message {
    let names = (0..count).map(|n| (format!("a{n}"), "1".to_owned()));
    let mut message = Message::new("body");
    message.attributes.extend(names);
    message
}

/// Ours takes one of the places, and only where it is needed.
#[tokio::test(start_paused = true)]
async fn the_places_for_attributes_are_counted_with_ours() {
    let world = world_with(like_sqs());
    let refused = |client: QueueClient, count| async move {
        client.send(with_attributes(count)).await.is_err()
    };
    assert!(!refused(world.plain(), 10).await);
    assert!(refused(world.plain(), 11).await);
    assert!(!refused(world.sealing(), 9).await);
    assert!(refused(world.sealing(), 10).await);
}

#[tokio::test(start_paused = true)]
async fn what_the_broker_cannot_carry_is_refused_before_any_key_call() {
    let world = world_with(like_sqs());
    let (keys, transport) = (SwitchedKeys::new(&world.keys), FaultyTransport::new(&world.broker));
    let builder = world.keyless_over(transport.clone(), sealing());
    let client = builder.with_key_provider(Arc::clone(&keys) as _).build().unwrap();
    let unsendable = [
        Message::with_id("", "empty id"),
        Message::with_id("i".repeat(129), "long id"),
        Message::new("session").with_session_id("with space"),
        Message::new("correlation").with_correlation_id("line\nbreak"),
        Message::new("name").with_attribute("no spaces", "1"),
        Message::new("value").with_attribute("empty", ""),
        Message::new("delay").with_delay(Duration::from_secs(901)),
        Message::new("bound value").with_attribute("long", "x".repeat(65_536)),
        with_attributes(10),
    ];
    for message in unsendable {
        let failed = client.send(message.clone()).await.unwrap_err();
        assert!(!failed.error.is_retryable());
        assert_eq!(*failed.message, message);
    }
    assert_eq!((keys.switch.calls(), transport.calls(Call::Send).len()), (0, 0));
}
