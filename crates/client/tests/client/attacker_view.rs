//! What someone who reads everything on the broker learns of the bodies: nothing.

use std::collections::HashSet;

use sealmq_client::QueueClient;
use sealmq_queue_core::{Bytes, Message};
use sealmq_transport_memory::StoredMessage;

use crate::sessions::accept;
use crate::support::{QUEUE, SECOND, World};

const MESSAGES: usize = 1_000;
const WINDOW: usize = 8;

/// A body like those of real traffic, which says nothing that its metadata says.
fn body(n: usize) -> String {
    format!(
        r#"{{"customer":{{"name":"Customer No. {n}","iban":"DE{n:020}"}},"items":[{{"sku":"S-{n:06}","price":{n}.99,"note":"Leave it with the neighbours, please; the bell of flat {n} is broken."}}],"total":{n}.99}}"#
    )
}

/// With an id of its own: a random one may hold eight digits that a body holds too.
fn message(n: usize) -> Message {
    Message::with_id(format!("id-{n}"), body(n))
        .with_session_id(format!("session{}", n % 10))
        .with_message_type("order.placed")
        .with_content_type("application/json")
        .with_correlation_id(format!("corr-{n}"))
        .with_reply_to("order-replies")
        .with_attribute("region", "eu-1")
        .with_attribute("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
}

/// Every byte string that a stored message consists of.
fn readable(stored: &StoredMessage) -> Vec<Bytes> {
    let StoredMessage { message, metadata, .. } = stored;
    let mut texts = vec![message.id.clone(), metadata.broker_id.clone()];
    let fields = [
        &message.session_id,
        &message.correlation_id,
        &message.reply_to,
        &message.message_type,
        &message.content_type,
    ];
    texts.extend(fields.into_iter().flatten().cloned());
    texts.extend(message.attributes.iter().flat_map(|(name, value)| [name.clone(), value.clone()]));
    if let Some(info) = &metadata.dead_letter {
        texts.extend(info.reason.clone());
        texts.extend(info.description.clone());
    }
    let mut readable: Vec<Bytes> = texts.into_iter().map(Bytes::from).collect();
    readable.push(message.body.clone());
    readable
}

/// Notes what an observer can read now: queue, dead-letter queue, session states.
fn observe(world: &World, seen: &mut HashSet<Bytes>) {
    seen.extend(world.broker.tap(QUEUE).unwrap().iter().flat_map(readable));
    let states = world.broker.tap_session_states(QUEUE).unwrap();
    seen.extend(states.into_iter().map(|(_, state)| state));
}

/// A life of a thousand messages: waiting, locked, held back, dead-lettered by a handler or by
/// the client; and session states.
async fn observed_life(world: &World, client: &QueueClient) -> HashSet<Bytes> {
    let mut seen = HashSet::new();
    for sent in client.send_batch((0..MESSAGES).map(message).collect()).await {
        sent.unwrap();
    }
    observe(world, &mut seen);
    for session in 0..10 {
        let held = accept(client, &format!("session{session}")).await;
        held.set_state(Some(body(session).into())).await.unwrap();
        let received = held.receive(MESSAGES, SECOND).await.unwrap();
        observe(world, &mut seen);
        for (n, message) in received.into_iter().enumerate() {
            let message = message.unwrap();
            match n % 3 {
                0 => drop(message.dead_letter("InvalidOrder", "the order is not valid").await),
                1 => drop(message.abandon(SECOND).await),
                _ => drop(message.complete().await),
            }
        }
        observe(world, &mut seen);
        held.close().await.unwrap();
    }
    // Those that were held back are too old by then.
    tokio::time::sleep(600 * SECOND).await;
    for session in 0..10 {
        let held = accept(client, &format!("session{session}")).await;
        held.receive(MESSAGES, SECOND).await.unwrap();
        held.close().await.unwrap();
    }
    observe(world, &mut seen);
    seen
}

/// A part of each body of which an observer finds any.
fn parts_found(seen: &HashSet<Bytes>) -> Vec<String> {
    let windows: HashSet<&[u8]> = seen.iter().flat_map(|bytes| bytes.windows(WINDOW)).collect();
    let part_of = |n: usize| {
        let body = body(n);
        let part = body.as_bytes().windows(WINDOW).find(|part| windows.contains(part))?;
        Some(String::from_utf8_lossy(part).into_owned())
    };
    (0..MESSAGES).filter_map(part_of).collect()
}

#[tokio::test(start_paused = true)]
async fn no_eight_bytes_of_a_thousand_bodies_are_readable_on_the_broker() {
    let world = crate::sessions::world_of_sessions();
    let seen = observed_life(&world, &world.sealing()).await;
    assert!(seen.len() > 3 * MESSAGES, "there was much to be seen");
    assert!(!world.dead().is_empty());
    assert_eq!(parts_found(&seen), [""; 0]);
}

/// The control: the same search finds every body where nothing is sealed.
#[tokio::test(start_paused = true)]
async fn every_body_is_readable_on_the_broker_where_nothing_is_sealed() {
    let world = crate::sessions::world_of_sessions();
    let seen = observed_life(&world, &world.plain()).await;
    assert_eq!(parts_found(&seen).len(), MESSAGES);
}

/// Equal bodies do not look alike: an observer cannot tell who is sent the same thing.
#[tokio::test(start_paused = true)]
async fn equal_messages_have_nothing_but_their_header_in_common() {
    let world = World::new();
    let client = world.sealing();
    for _ in 0..100 {
        client.send(Message::with_id("same", vec![0; 64])).await.unwrap();
    }
    let sealed: HashSet<Vec<u8>> = world
        .stored()
        .iter()
        .flat_map(|stored| {
            // Nonce, commitment, ciphertext and tag, in pieces of eight bytes.
            let frame = &stored.message.body;
            let pieces = frame[18..42].chunks(WINDOW).chain(frame[51..].chunks(WINDOW));
            pieces.map(<[u8]>::to_vec).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(sealed.len(), 100 * (24 + 32 + 64 + 16) / WINDOW, "no piece stands there twice");
}
