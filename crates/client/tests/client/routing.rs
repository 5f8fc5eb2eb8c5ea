//! What brokers route by stays readable: ids travel in the clear, bound to the body.

use sealmq_queue_core::Message;
use sealmq_transport_memory::{QueueKind, QueueSettings};

use crate::support::attack::rich_message;
use crate::support::{SECOND, World, take_texts};

#[tokio::test(start_paused = true)]
async fn ids_types_and_attributes_stay_readable_on_the_broker() {
    let world = World::new();
    world.sealing().send(rich_message()).await.unwrap();
    let (stored, sent) = (world.the_stored(), rich_message());
    assert_eq!(stored.id, sent.id);
    assert_eq!(stored.session_id, sent.session_id);
    assert_eq!(stored.correlation_id, sent.correlation_id);
    assert_eq!(stored.reply_to, sent.reply_to);
    assert_eq!(stored.message_type, sent.message_type);
    assert_eq!(stored.content_type, sent.content_type);
    for (name, value) in &sent.attributes {
        assert_eq!(stored.attributes.get(name), Some(value));
    }
    assert_ne!(stored.body, sent.body);
}

#[tokio::test(start_paused = true)]
async fn one_attribute_of_ours_is_added_and_no_more() {
    let world = World::new();
    world.sealing().send(rich_message()).await.unwrap();
    let stored = world.the_stored().attributes;
    let ours = stored.keys().filter(|name| name.starts_with("sealmq-"));
    assert_eq!(ours.collect::<Vec<_>>(), ["sealmq-bound"]);
    assert_eq!(stored.len(), rich_message().attributes.len() + 1);
}

#[tokio::test(start_paused = true)]
async fn delay_and_time_to_live_reach_the_broker() {
    let world = World::new();
    let client = world.sealing();
    let (delay, time_to_live) = (10 * SECOND, 60 * SECOND);
    let message = Message::new("later").with_delay(delay).with_time_to_live(time_to_live);
    client.send(message).await.unwrap();
    let stored = world.the_stored();
    assert_eq!((stored.delay, stored.time_to_live), (Some(delay), Some(time_to_live)));
    crate::support::nothing_comes(&client).await;
    tokio::time::sleep(delay).await;
    assert_eq!(take_texts(&client, 1).await, ["later"]);
}

/// Two sealings of one message differ in every byte, so a broker drops duplicates by their id.
#[tokio::test(start_paused = true)]
async fn deduplication_goes_by_the_message_id() {
    let world = World::with_queue(QueueSettings::default().with_deduplication_window(600 * SECOND));
    let client = world.sealing();
    let first = client.send(Message::with_id("order-1", "body")).await.unwrap();
    let again = client.send(Message::with_id("order-1", "body")).await.unwrap();
    assert_eq!((first.duplicate, again.duplicate), (false, true));
    assert_eq!(take_texts(&client, 1).await, ["body"]);
    crate::support::nothing_comes(&client).await;
}

#[tokio::test(start_paused = true)]
async fn ordered_groups_keep_their_order() {
    let world = World::with_queue(QueueSettings::default().with_kind(QueueKind::OrderedGroups));
    let client = world.sealing();
    let bodies: Vec<String> = (0..20).map(|n| format!("{n:02}")).collect();
    for body in &bodies {
        let message = Message::new(body.clone()).with_session_id("customer-42");
        client.send(message).await.unwrap();
    }
    assert_eq!(take_texts(&client, 20).await, bodies);
}
