//! What is sent is what is received, byte for byte, and what the broker sees of the body is a frame.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sealmq_client::QueueClient;
use sealmq_crypto_core::Suite;
use sealmq_crypto_core::format::Frame;
use sealmq_keys_local::MemoryKms;
use sealmq_queue_core::Message;

use crate::support::{World, contains, next_opened, nothing_comes, sealing};

/// The body travels as a frame, opens to itself, and leaves the queue when it is completed.
async fn comes_back_exactly(body: impl Into<Bytes>) {
    let (world, body) = (World::new(), body.into());
    through(&world, &world.sealing(), &body).await;
}

async fn through(world: &World, client: &QueueClient, body: &Bytes) {
    client.send(Message::new(body.clone())).await.unwrap();
    let stored = world.the_stored();
    let frame = Frame::parse(&stored.body).unwrap();
    assert_eq!(frame.sealed().len(), body.len() + 16, "ciphertext and tag");
    if body.len() >= 8 {
        assert!(!contains(&stored.body, &body[..8]));
    }
    let received = next_opened(client).await;
    assert_eq!(received.body(), body);
    assert!(received.message.is_encrypted());
    received.complete().await.unwrap();
    nothing_comes(client).await;
    assert!(world.stored().is_empty() && world.dead().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_empty_body_comes_back_exactly() {
    comes_back_exactly("").await;
}

#[tokio::test(start_paused = true)]
async fn a_body_of_one_byte_comes_back_exactly() {
    for byte in [0x00, b'a', b'\n', 0xff] {
        comes_back_exactly(vec![byte]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn all_256_byte_values_come_back_exactly() {
    let upwards: Vec<u8> = (0..=255).collect();
    let downwards: Vec<u8> = (0..=255).rev().collect();
    comes_back_exactly(upwards).await;
    comes_back_exactly(downwards).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_of_256_kib_comes_back_exactly() {
    let body: Vec<u8> =
        (0_u32..256 * 1024).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    comes_back_exactly(body).await;
}

#[tokio::test(start_paused = true)]
async fn a_webhook_comes_back_exactly() {
    let webhook = r#"{
  "action": "opened", "number": 42, "sender": {"login": "žofia", "id": 1e3, "site_admin": false},
  "pull_request": {"title": "Fix \"quotes\" & <tags>\u0000", "body": null, "labels": [], "draft":true},
  "repository": {"full_name": "octo/日本語", "private": true}
}
"#;
    comes_back_exactly(webhook).await;
}

#[tokio::test(start_paused = true)]
async fn metadata_and_attributes_come_back_exactly() {
    let world = World::new();
    let client = world.sealing();
    let message = Message::with_id("order-0001", "body")
        .with_session_id("customer-42")
        .with_correlation_id("request 7, žluť")
        .with_reply_to("orders-replies")
        .with_message_type("order.created")
        .with_content_type("application/json; charset=utf-8")
        .with_attribute("region", "eu-1")
        .with_attribute("empty", "")
        .with_attribute("unicode", "日本語, comma; quote\"")
        .with_attribute("A.b-c_9", " spaces kept ")
        .with_time_to_live(Duration::from_secs(600));
    client.send(message.clone()).await.unwrap();
    let received = next_opened(&client).await;
    assert_eq!(received.message.message, message);
    assert!(received.message.unauthenticated_attributes.is_empty());
    assert_eq!(received.message.metadata.delivery_count, 1);
}

#[tokio::test(start_paused = true)]
async fn absent_metadata_stays_absent() {
    let world = World::new();
    let client = world.sealing();
    let message = Message::new("body");
    client.send(message.clone()).await.unwrap();
    assert_eq!(world.the_stored().attributes.len(), 0, "no attribute of ours without need");
    assert_eq!(next_opened(&client).await.message.message, message);
}

#[tokio::test(start_paused = true)]
async fn a_message_says_by_which_key_and_when_it_was_sealed() {
    let world = World::new();
    let client = world.sealing();
    let sealed_at = std::time::UNIX_EPOCH + Duration::from_millis(crate::support::START_MS);
    client.send(Message::new("body")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(9)).await;
    let received = next_opened(&client).await;
    assert_eq!(received.message.key_id(), Some("orders-1"));
    assert_eq!(received.message.encrypted_at(), Some(sealed_at));
}

#[tokio::test(start_paused = true)]
async fn a_batch_comes_back_exactly_and_in_order() {
    let world = World::new();
    let client = world.sealing();
    let bodies: Vec<String> = (0..100).map(|n| format!("body {n}")).collect();
    let batch = bodies.iter().map(|body| Message::new(body.clone())).collect();
    for sent in client.send_batch(batch).await {
        sent.unwrap();
    }
    assert_eq!(crate::support::take_texts(&client, 100).await, bodies);
}

#[tokio::test(start_paused = true)]
async fn an_empty_batch_does_nothing() {
    let world = World::new();
    assert!(world.sealing().send_batch(Vec::new()).await.is_empty());
    assert!(world.stored().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_body_sealed_under_a_wrapped_dek_comes_back_exactly() {
    let (world, kms) = (World::new(), MemoryKms::new());
    let client = || {
        let builder = world.keyless(sealing()).with_key_management("main", Arc::new(kms.clone()));
        builder.build().unwrap()
    };
    client().send(Message::new("from one client")).await.unwrap();
    let received = next_opened(&client()).await;
    assert_eq!(received.body(), "from one client");
    assert_eq!(received.message.key_id(), Some("main"));
    received.complete().await.unwrap();
    through(&world, &client(), &Bytes::from_static(b"within one client")).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_sealed_with_chacha20_comes_back_exactly() {
    let world = World::new();
    let client = world.with_keys(sealing().with_suite(Suite::ChaCha20Poly1305)).build().unwrap();
    through(&world, &client, &Bytes::from_static(b"for hosts without AES")).await;
}
