//! Rotation of keys: the new one seals at once, the old one goes on opening, nobody waits.

use std::sync::Arc;

use sealmq_client::QueueClient;
use sealmq_crypto_core::KeyManagementService;
use sealmq_crypto_core::TenantId;
use sealmq_keys_local::{MemoryKeyring, MemoryKms};
use sealmq_queue_core::Message;
use tokio::task::JoinSet;

use crate::support::{SECOND, World, key_id, next, next_opened, sealing, take_texts, text};

#[tokio::test(start_paused = true)]
async fn after_a_rotation_the_new_key_seals_at_once_and_the_old_one_still_opens() {
    let world = World::new();
    let client = world.sealing();
    client.send(Message::new("under A")).await.unwrap();
    world.keys.rotate(key_id("orders-2")).unwrap();
    client.send(Message::new("under B")).await.unwrap();

    for (body, key) in [("under A", "orders-1"), ("under B", "orders-2")] {
        let received = next_opened(&client).await;
        assert_eq!((text(&received).as_str(), received.message.key_id()), (body, Some(key)));
        received.complete().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_rotation_reaches_receivers_that_never_saw_the_new_key() {
    let world = World::new();
    let (sender, receiver) = (world.sealing(), world.sealing());
    sender.send(Message::new("under A")).await.unwrap();
    next_opened(&receiver).await.complete().await.unwrap();
    world.keys.rotate(key_id("orders-2")).unwrap();
    sender.send(Message::new("under B")).await.unwrap();
    assert_eq!(next_opened(&receiver).await.message.key_id(), Some("orders-2"));
}

#[tokio::test(start_paused = true)]
async fn a_retired_key_opens_no_more_and_the_message_is_kept() {
    let world = World::new();
    world.sealing().send(Message::new("under A")).await.unwrap();
    world.keys.rotate(key_id("orders-2")).unwrap();
    world.keys.retire(&key_id("orders-1")).unwrap();
    let rejected = crate::support::next_rejected(&world.sealing()).await;
    assert_eq!(rejected.error.code(), "key_not_found");
    assert_eq!(world.the_dead().1, "key_not_found");
}

#[tokio::test(start_paused = true)]
async fn after_a_kek_rotation_old_messages_open_and_new_ones_are_wrapped_anew() {
    let (world, kms) = (World::new(), MemoryKms::new());
    let client = || {
        let builder = world.keyless(sealing()).with_key_management("main", Arc::new(kms.clone()));
        builder.build().unwrap()
    };
    client().send(Message::new("under version 1")).await.unwrap();
    kms.rotate_kek(&TenantId::new("default").unwrap()).await.unwrap();
    client().send(Message::new("under version 2")).await.unwrap();
    assert_eq!(take_texts(&client(), 2).await, ["under version 1", "under version 2"]);
}

/// Twenty senders and twenty receivers while the key changes ten times: every message opens, and
/// every message that is sent after a rotation returned is under the new key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotations_under_twenty_concurrent_tasks_make_nobody_wait_or_fail() {
    const TASKS: usize = 20;
    const ROTATIONS: usize = 10;
    const EACH: usize = 50;
    let world = World::new();
    let sender = world.sealing();
    let mut sending = JoinSet::new();
    for task in 0..TASKS {
        let (sender, keys) = (sender.clone(), world.keys.clone());
        sending.spawn(async move {
            for n in 0..EACH {
                let before = newest(&keys);
                let message = Message::new("body").with_attribute("at-least", before.to_string());
                let message = message.with_message_type(format!("{task}/{n}"));
                sender.send(message).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
    }
    for rotation in 2..ROTATIONS + 2 {
        world.keys.rotate(key_id(&format!("orders-{rotation}"))).unwrap();
        tokio::task::yield_now().await;
    }
    while let Some(sent) = sending.join_next().await {
        sent.unwrap();
    }
    let mut receiving = JoinSet::new();
    for _ in 0..TASKS {
        receiving.spawn(receive_all(world.sealing()));
    }
    let mut received = 0;
    while let Some(count) = receiving.join_next().await {
        received += count.unwrap();
    }
    assert_eq!(received, TASKS * EACH);
    assert!(world.dead().is_empty());
}

/// The number of the newest key.
fn newest(keys: &MemoryKeyring) -> usize {
    let number = |id: &sealmq_crypto_core::EncryptionKeyId| id.as_str()["orders-".len()..].parse();
    keys.ids().iter().map(|id| number(id).unwrap()).max().unwrap()
}

async fn receive_all(client: QueueClient) -> usize {
    let mut count = 0;
    loop {
        let received = client.receive(10, SECOND / 20).await.unwrap();
        if received.is_empty() {
            return count;
        }
        for message in received {
            let message = message.unwrap();
            let key: usize = message.message.key_id().unwrap()["orders-".len()..].parse().unwrap();
            let at_least: usize = message.message.message.attributes["at-least"].parse().unwrap();
            assert!(key >= at_least, "sealed under {key} when {at_least} was there");
            message.complete().await.unwrap();
            count += 1;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_key_in_use_changes_without_a_pause() {
    let world = World::new();
    let client = world.sealing();
    client.send(Message::new("warm")).await.unwrap();
    let before = tokio::time::Instant::now();
    for rotation in 2..20 {
        world.keys.rotate(key_id(&format!("orders-{rotation}"))).unwrap();
        client.send(Message::new("body")).await.unwrap();
        next(&client).await.unwrap().complete().await.unwrap();
    }
    assert_eq!(before.elapsed(), std::time::Duration::ZERO, "nothing waited for a timer");
}
