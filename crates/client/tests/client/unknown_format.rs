//! Frames of another version or suite, and bodies that only begin like frames: refused and kept.

use sealmq_client::RejectionOutcome;
use sealmq_crypto_core::{CryptoErrorKind, Suite};
use sealmq_queue_core::Message;

use crate::support::{World, next_opened, next_rejected, nothing_comes, sealing, with_body};

/// The error of a sealed message in which one byte was replaced, and the reason on its dead letter.
async fn with_byte(at: usize, value: u8) -> (CryptoErrorKind, String) {
    let world = World::new();
    let client = world.sealing();
    client.send(Message::new("body")).await.unwrap();
    let changed = world
        .tamper(|message| {
            let mut body = message.body.to_vec();
            body[at] = value;
            message.body = body.into();
        })
        .await;
    let rejected = next_rejected(&client).await;
    assert_eq!(rejected.outcome, RejectionOutcome::DeadLettered);
    nothing_comes(&client).await;
    let (dead, reason) = world.the_dead();
    assert_eq!(dead, changed, "the dead letter is the message as it arrived");
    (rejected.error.kind().clone(), reason)
}

#[tokio::test(start_paused = true)]
async fn every_other_version_is_refused_as_such() {
    for version in [0x00, 0x02, 0x10, 0xff] {
        let expected = CryptoErrorKind::Unsupported { field: "version", value: version };
        assert_eq!(with_byte(4, version).await, (expected, "unsupported_version".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn every_unknown_suite_is_refused_as_such() {
    for suite in (0x00..=0xff).filter(|suite| Suite::from_id(*suite).is_none()) {
        let expected = CryptoErrorKind::Unsupported { field: "suite", value: suite };
        assert_eq!(with_byte(5, suite).await, (expected, "unsupported_suite".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_suite_that_the_policy_does_not_accept_is_refused_as_such() {
    let world = World::new();
    let chacha = world.with_keys(sealing().with_suite(Suite::ChaCha20Poly1305)).build().unwrap();
    chacha.send(Message::new("body")).await.unwrap();
    let only_aes = sealing().with_accepted_suites([Suite::Aes256Gcm]);
    let client = world.with_keys(only_aes).build().unwrap();
    assert_eq!(next_rejected(&client).await.error.code(), "unsupported_suite");
    chacha.dead_letters().await.unwrap().redrive(1).await.unwrap();
    assert_eq!(next_opened(&chacha).await.body(), "body", "the control: accepted elsewhere");
}

#[tokio::test(start_paused = true)]
async fn reserved_bits_are_refused_as_malformed() {
    for (at, value) in [(6, 0b101), (6, 0b1000_0001), (6, 0), (6, 0b11), (7, 1)] {
        assert_eq!(with_byte(at, value).await.1, "malformed", "byte {at} is {value:#x}");
    }
}

/// What begins with the marker is a frame or malformed, never a plaintext, however short it is.
#[tokio::test(start_paused = true)]
async fn a_body_that_only_begins_like_a_frame_is_malformed() {
    let world = World::new();
    let client = world.sealing();
    let bodies: [&[u8]; 5] = [b"QRE1", b"QRE1\x01", b"QRE1\x01 and so on", b"UVJFMQ==", b"UVJFMb?"];
    for body in bodies {
        world.inject(with_body(Message::new(""), body.to_vec())).await;
        let rejected = next_rejected(&client).await;
        assert_eq!(rejected.error.code(), "malformed", "{}", body.escape_ascii());
    }
    assert_eq!(world.dead().len(), bodies.len());
}
