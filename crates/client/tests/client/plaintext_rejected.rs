//! The policy that refuses plaintexts: before anything looks into them, in both directions.

use sealmq_client::{ClientErrorKind, RejectionOutcome};
use sealmq_crypto_core::{CryptoConfig, CryptoErrorKind, PlaintextPolicy};
use sealmq_queue_core::Message;

use crate::support::attack::rich_message;
use crate::support::{Events, World, next_opened, next_rejected, nothing_comes, sealing};

fn rejecting() -> CryptoConfig {
    sealing().with_plaintext_on_receive(PlaintextPolicy::Reject)
}

#[tokio::test(start_paused = true)]
async fn a_plaintext_is_refused_and_kept() {
    let events = Events::record();
    let world = World::new();
    world.plain().send(rich_message()).await.unwrap();
    let client = world.with_keys(rejecting()).build().unwrap();
    let rejected = next_rejected(&client).await;
    assert_eq!(rejected.error.kind(), &CryptoErrorKind::PlaintextRejected);
    assert_eq!(rejected.outcome, RejectionOutcome::DeadLettered);
    assert_eq!(world.the_dead(), (rich_message(), "plaintext_rejected".to_owned()));
    assert_eq!(events.the("Message rejected").field("error_type"), "plaintext_rejected");
    assert!(events.named("Message received WITHOUT encryption").is_empty());
    nothing_comes(&client).await;
}

#[tokio::test(start_paused = true)]
async fn the_same_plaintext_passes_where_the_policy_allows_it() {
    let world = World::new();
    world.plain().send(rich_message()).await.unwrap();
    assert_eq!(next_opened(&world.sealing()).await.message.message, rich_message());
}

#[tokio::test(start_paused = true)]
async fn a_sealed_message_passes() {
    let world = World::new();
    let client = world.with_keys(rejecting()).build().unwrap();
    client.send(Message::new("body")).await.unwrap();
    assert_eq!(next_opened(&client).await.body(), "body");
}

/// An attacker who strips the seal gains nothing: what he sends is refused, whatever it is.
#[tokio::test(start_paused = true)]
async fn whatever_is_no_frame_is_refused_alike() {
    let world = World::new();
    let client = world.with_keys(rejecting()).build().unwrap();
    let bodies: [&[u8]; 7] =
        [b"", b"Q", b"QRE", b"qre1", b" QRE1", b"\xef\xbb\xbfQRE1", b"{\"pay\": 10}"];
    for body in bodies {
        world.inject(Message::new(body)).await;
        let rejected = next_rejected(&client).await;
        assert_eq!(rejected.error.code(), "plaintext_rejected", "{}", body.escape_ascii());
    }
}

/// It says so before any look at the attributes, which are the sender's to choose as well.
#[tokio::test(start_paused = true)]
async fn a_plaintext_with_a_forged_list_of_bound_attributes_is_a_plaintext() {
    let world = World::new();
    let client = world.with_keys(rejecting()).build().unwrap();
    world.inject(Message::new("body").with_attribute("sealmq-bound", ",,sealmq-bound,")).await;
    assert_eq!(next_rejected(&client).await.error.code(), "plaintext_rejected");
}

#[tokio::test(start_paused = true)]
async fn the_strict_policy_seals_everything_and_takes_nothing_else() {
    let world = World::new();
    let client = world.with_keys(CryptoConfig::strict()).build().unwrap();
    client.send(Message::new("body")).await.unwrap();
    assert!(world.the_stored().body.starts_with(b"QRE1"));
    let copied = world.the_stored();
    next_opened(&client).await.complete().await.unwrap();
    world.inject(copied).await;
    assert_eq!(next_rejected(&client).await.error.code(), "replayed");
    world.inject(Message::new("plain")).await;
    assert_eq!(next_rejected(&client).await.error.code(), "plaintext_rejected");
}

/// A client that may send no plaintext and does not seal could send nothing: that is said at once.
#[tokio::test(start_paused = true)]
async fn refusing_plaintexts_on_send_without_sealing_is_a_contradiction() {
    let world = World::new();
    let config = CryptoConfig::default().with_plaintext_on_send(PlaintextPolicy::Reject);
    let error = world.with_keys(config.clone()).build().unwrap_err();
    let ClientErrorKind::Crypto(CryptoErrorKind::InvalidInput { field }) = error.kind() else {
        panic!("{error:?}");
    };
    assert_eq!(*field, "plaintext_on_send");

    let sealing = world.with_keys(config.with_enabled(true)).build().unwrap();
    sealing.send(Message::new("body")).await.unwrap();
    assert!(world.the_stored().body.starts_with(b"QRE1"));
}

/// Switching encryption on without keys is no way to send plaintexts either.
#[tokio::test(start_paused = true)]
async fn encryption_without_keys_is_refused_and_nothing_falls_back_to_plaintext() {
    let world = World::new();
    let error = world.keyless(CryptoConfig::strict()).build().unwrap_err();
    assert_eq!(error.kind(), &ClientErrorKind::InvalidInput { field: "keys" });
}
