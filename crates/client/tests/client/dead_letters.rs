//! Dead letters: opened for inspection at any age, settled, and moved back.

use sealmq_client::{ClientErrorKind, QueueClient};
use sealmq_queue_core::{Feature, Message, TransportErrorKind};
use sealmq_transport_memory::{MemoryTransport, QueueSettings};

use crate::support::attack::rich_message;
use crate::support::{
    MINUTE, QUEUE, SECOND, World, next_opened, next_rejected, nothing_comes, sealing,
};

async fn dead_lettered(client: &QueueClient, message: Message) {
    client.send(message).await.unwrap();
    next_opened(client).await.dead_letter("InvalidOrder", "no such product").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_stays_sealed_and_is_shown_opened() {
    let world = World::new();
    let client = world.sealing();
    dead_lettered(&client, rich_message()).await;
    let letters = client.dead_letters().await.unwrap();
    let letter = letters.receive(1, SECOND).await.unwrap().remove(0);
    assert!(letter.message.body.starts_with(b"QRE1"), "as the broker has it");
    let opened = letter.opened.unwrap();
    assert!(opened.is_encrypted());
    assert_eq!(opened.message, rich_message());
    assert_eq!(letter.info.reason.as_deref(), Some("InvalidOrder"));
    assert_eq!(letter.info.description.as_deref(), Some("no such product"));
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_opens_at_any_age() {
    let world = World::new();
    let client = world.sealing();
    client.send(Message::new("old")).await.unwrap();
    tokio::time::sleep(60 * MINUTE).await;
    assert_eq!(next_rejected(&client).await.error.code(), "message_expired");
    tokio::time::sleep(60 * 24 * 365 * MINUTE).await;
    let letters = client.dead_letters().await.unwrap();
    let letter = letters.receive(1, SECOND).await.unwrap().remove(0);
    assert_eq!(letter.opened.unwrap().body(), "old");
    assert_eq!(letter.info.reason.as_deref(), Some("message_expired"));
}

#[tokio::test(start_paused = true)]
async fn a_replay_in_the_dead_letter_queue_can_be_looked_into() {
    let world = World::new();
    let client = world.with_keys(sealing().with_nonce_tracking(true)).build().unwrap();
    client.send(Message::new("once")).await.unwrap();
    let copied = world.the_stored();
    next_opened(&client).await.complete().await.unwrap();
    world.inject(copied).await;
    next_rejected(&client).await;
    let letters = client.dead_letters().await.unwrap();
    for _ in 0..2 {
        let letter = letters.receive(1, SECOND).await.unwrap().remove(0);
        assert_eq!(letter.opened.unwrap().body(), "once");
        letter.receipt.abandon(std::time::Duration::ZERO).await.unwrap();
    }
    assert_eq!(letters.redrive(1).await.unwrap(), 1);
    assert_eq!(next_rejected(&client).await.error.code(), "replayed", "it is one all the same");
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_was_tampered_with_does_not_open() {
    let world = World::new();
    let client = world.sealing();
    client.send(rich_message()).await.unwrap();
    world.tamper(|message| message.id = "changed".into()).await;
    next_rejected(&client).await;
    let letters = client.dead_letters().await.unwrap();
    let letter = letters.receive(1, SECOND).await.unwrap().remove(0);
    assert_eq!(letter.opened.unwrap_err().code(), "authentication_failed");
}

#[tokio::test(start_paused = true)]
async fn a_plaintext_dead_letter_is_judged_by_the_policy() {
    let world = World::new();
    let plain = world.plain();
    dead_lettered(&plain, Message::new("plain")).await;
    let letters = plain.dead_letters().await.unwrap();
    let letter = letters.receive(1, SECOND).await.unwrap().remove(0);
    assert!(!letter.opened.unwrap().is_encrypted());
    letter.receipt.abandon(std::time::Duration::ZERO).await.unwrap();

    let strict = world.with_keys(sealmq_crypto_core::CryptoConfig::strict()).build().unwrap();
    let letters = strict.dead_letters().await.unwrap();
    let letter = letters.receive(1, SECOND).await.unwrap().remove(0);
    assert_eq!(letter.opened.unwrap_err().code(), "plaintext_rejected");
}

#[tokio::test(start_paused = true)]
async fn a_completed_dead_letter_is_gone_and_an_abandoned_one_stays() {
    let world = World::new();
    let client = world.sealing();
    dead_lettered(&client, Message::new("first")).await;
    dead_lettered(&client, Message::new("second")).await;
    let letters = client.dead_letters().await.unwrap();
    let mut received = letters.receive(10, SECOND).await.unwrap();
    received.remove(0).receipt.complete().await.unwrap();
    received.remove(0).receipt.abandon(std::time::Duration::ZERO).await.unwrap();
    assert_eq!(world.dead().len(), 1);
    let left = letters.receive(10, SECOND).await.unwrap();
    assert_eq!(left[0].opened.as_ref().unwrap().body(), "second");
}

#[tokio::test(start_paused = true)]
async fn redriven_messages_are_received_like_new_ones() {
    let world = World::new();
    let client = world.sealing();
    for n in 0..5 {
        dead_lettered(&client, Message::new(format!("{n}"))).await;
    }
    let letters = client.dead_letters().await.unwrap();
    assert_eq!(letters.redrive(3).await.unwrap(), 3);
    let first = next_opened(&client).await;
    assert_eq!(first.message.metadata.delivery_count, 1);
    assert_eq!(first.body(), "0");
    assert_eq!(world.dead().len(), 2);
    assert_eq!(letters.redrive(10).await.unwrap(), 2);
    assert_eq!(letters.redrive(10).await.unwrap(), 0);
}

/// A redrive brings a message before the policy again, as every receive does.
#[tokio::test(start_paused = true)]
async fn a_message_too_old_is_refused_again_after_a_redrive() {
    let world = World::new();
    let client = world.sealing();
    dead_lettered(&client, Message::new("body")).await;
    tokio::time::sleep(10 * MINUTE).await;
    client.dead_letters().await.unwrap().redrive(1).await.unwrap();
    assert_eq!(next_rejected(&client).await.error.code(), "message_expired");
    assert_eq!(world.the_dead().1, "message_expired");
}

/// Both sides are bound to the logical name, whatever the queues are called on the broker.
#[tokio::test(start_paused = true)]
async fn dead_letters_open_under_the_logical_name_of_their_queue() {
    let world = World::new();
    world.broker.create_queue("orders-eu", QueueSettings::default()).unwrap();
    let client = world.sealing().for_logical_queue("orders-eu", "all-orders").unwrap();
    dead_lettered(&client, Message::new("body")).await;
    let letters = client.dead_letters().await.unwrap();
    let letter = letters.receive(1, SECOND).await.unwrap().remove(0);
    assert_eq!(letter.opened.unwrap().body(), "body");
    letter.receipt.abandon(std::time::Duration::ZERO).await.unwrap();

    let other_name = world.sealing().for_queue("orders-eu").unwrap();
    let letters = other_name.dead_letters().await.unwrap();
    let letter = letters.receive(1, SECOND).await.unwrap().remove(0);
    assert_eq!(letter.opened.unwrap_err().code(), "authentication_failed");
}

#[tokio::test(start_paused = true)]
async fn a_broker_without_dead_letters_says_so() {
    let broker = MemoryTransport::builder().without(Feature::DeadLetter);
    let broker = broker.without(Feature::Redrive).queue(QUEUE, QueueSettings::default());
    let world = World::with_broker(broker.build().unwrap());
    let error = world.sealing().dead_letters().await.unwrap_err();
    assert!(matches!(
        error.kind(),
        ClientErrorKind::Transport(TransportErrorKind::Unsupported { .. })
    ));
    nothing_comes(&world.sealing()).await;
}
