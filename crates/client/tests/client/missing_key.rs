//! A key that the receiver does not have: told apart from tampering, and the message is not lost.

use std::sync::Arc;

use sealmq_client::RejectionOutcome;
use sealmq_crypto_core::{CryptoConfig, CryptoErrorKind, EncryptionKey, KeyProvider};
use sealmq_keys_local::{MemoryKeyring, MemoryKms};
use sealmq_queue_core::Message;

use crate::support::{
    CANARY, SECOND, SwitchedKms, World, key_id, next_opened, next_rejected, nothing_comes, sealing,
};

#[tokio::test(start_paused = true)]
async fn an_unknown_key_is_named_and_told_apart_from_tampering() {
    let world = World::new();
    world.sealing().send(Message::new("body")).await.unwrap();
    let other_keys = MemoryKeyring::generate(key_id("someone-elses")).unwrap();
    let receiver =
        world.keyless(sealing()).with_key_provider(Arc::new(other_keys)).build().unwrap();
    let rejected = next_rejected(&receiver).await;
    let expected = CryptoErrorKind::KeyNotFound { key_id: "orders-1".into() };
    assert_eq!(rejected.error.kind(), &expected);
    assert!(!rejected.error.is_retryable());
    assert_eq!(world.the_dead().1, "key_not_found");
}

/// The id is the same and the key is not: that is no missing key.
#[tokio::test(start_paused = true)]
async fn another_key_of_the_same_id_is_tampering() {
    let world = World::new();
    world.sealing().send(Message::new("body")).await.unwrap();
    let other_keys = MemoryKeyring::generate(key_id("orders-1")).unwrap();
    let receiver =
        world.keyless(sealing()).with_key_provider(Arc::new(other_keys)).build().unwrap();
    let rejected = next_rejected(&receiver).await;
    assert_eq!(rejected.error.kind(), &CryptoErrorKind::AuthenticationFailed);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_kek_alias_is_named_and_no_service_is_asked_for_it() {
    let (world, kms) = (World::new(), MemoryKms::new());
    let sender = world
        .keyless(sealing())
        .with_key_management("main", Arc::new(kms.clone()))
        .build()
        .unwrap();
    sender.send(Message::new("body")).await.unwrap();
    let asked = SwitchedKms::new(&kms);
    let receiver =
        world.keyless(sealing()).with_key_management("other", asked.clone()).build().unwrap();
    let rejected = next_rejected(&receiver).await;
    let expected = CryptoErrorKind::KeyNotFound { key_id: "main".into() };
    assert_eq!(rejected.error.kind(), &expected);
    assert_eq!(asked.switch.calls(), 0, "an alias of a frame is never dialled");
}

/// Any of the KEKs that wrapped a DEK is enough.
#[tokio::test(start_paused = true)]
async fn a_receiver_with_one_of_two_keks_opens() {
    let (world, near, far) = (World::new(), MemoryKms::new(), MemoryKms::new());
    let sender = world
        .keyless(sealing())
        .with_key_management("near", Arc::new(near))
        .with_key_management("far", Arc::new(far.clone()));
    sender.build().unwrap().send(Message::new("body")).await.unwrap();
    let receiver = world.keyless(sealing()).with_key_management("far", Arc::new(far));
    assert_eq!(next_opened(&receiver.build().unwrap()).await.body(), "body");
}

#[tokio::test(start_paused = true)]
async fn a_client_with_keys_opens_sealed_messages_even_where_encryption_is_off() {
    let world = World::new();
    world.sealing().send(Message::new("body")).await.unwrap();
    let off = world.with_keys(CryptoConfig::default()).build().unwrap();
    assert!(!off.config().enabled);
    let received = next_opened(&off).await;
    assert!(received.message.is_encrypted());
    assert_eq!(received.body(), "body");
}

#[tokio::test(start_paused = true)]
async fn a_client_without_keys_loses_no_sealed_message() {
    let world = World::new();
    let keyless = world.plain();
    world.sealing().send(Message::new(CANARY)).await.unwrap();
    let sealed = world.the_stored();

    let rejected = next_rejected(&keyless).await;
    let expected = CryptoErrorKind::KeyNotFound { key_id: "orders-1".into() };
    assert_eq!(rejected.error.kind(), &expected, "it is not taken for a plaintext");
    assert_eq!(rejected.outcome, RejectionOutcome::DeadLettered);
    assert_eq!(world.the_dead(), (sealed, "key_not_found".to_owned()));
    nothing_comes(&keyless).await;

    let with_keys = world.sealing();
    assert_eq!(with_keys.dead_letters().await.unwrap().redrive(10).await.unwrap(), 1);
    assert_eq!(next_opened(&with_keys).await.body(), CANARY);
}

/// A key that was added after a frame named it is found: "unknown" is not remembered for long.
#[tokio::test(start_paused = true)]
async fn a_key_that_arrives_late_opens_what_came_early() {
    let world = World::new();
    world.sealing().send(Message::new("body")).await.unwrap();
    let late = MemoryKeyring::generate(key_id("first")).unwrap();
    let receiver = world.keyless(sealing()).with_key_provider(Arc::new(late.clone()));
    let receiver = receiver.build().unwrap();
    next_rejected(&receiver).await;

    // The same key under the same id, as an operator would have copied it.
    let key = world.keys.get_key(&key_id("orders-1")).await.unwrap();
    let copy = EncryptionKey::from_slice(key.expose_secret()).unwrap();
    late.add(key_id("orders-1"), copy).unwrap();
    tokio::time::sleep(6 * SECOND).await;
    receiver.dead_letters().await.unwrap().redrive(1).await.unwrap();
    assert_eq!(next_opened(&receiver).await.body(), "body");
}
