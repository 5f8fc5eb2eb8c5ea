//! Plaintexts that look like sealed messages: sealed like any other, or refused at send.

use sealmq_client::ClientErrorKind;
use sealmq_queue_core::Message;

use crate::support::{World, next_opened, next_rejected};

const LOOKALIKES: [&[u8]; 6] = [
    b"QRE1",
    b"QRE1 is the marker of a frame",
    b"QRE1\x01\x01\x01\x00\x00\x63",
    b"UVJFMQ==",
    b"UVJFMQEBAQ",
    b"UVJFMf",
];
/// One character away from a marker.
const HARMLESS: [&[u8]; 9] = [
    b"QRE2",
    b"qre1",
    b"QRE",
    b" QRE1",
    b"\xef\xbb\xbfQRE1",
    b"UVJFM",
    b"UVJFMg",
    b"UVJFM1",
    b"uvjfmq",
];

#[tokio::test(start_paused = true)]
async fn with_encryption_on_a_lookalike_is_sealed_like_any_other() {
    let world = World::new();
    let client = world.sealing();
    for body in LOOKALIKES.into_iter().chain(HARMLESS) {
        client.send(Message::new(body)).await.unwrap();
        let received = next_opened(&client).await;
        assert!(received.message.is_encrypted());
        assert_eq!(received.body(), body);
        received.complete().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn with_encryption_off_a_lookalike_is_refused_at_send() {
    let world = World::new();
    let client = world.plain();
    for body in LOOKALIKES {
        let failed = client.send(Message::new(body)).await.unwrap_err();
        let expected = ClientErrorKind::InvalidInput { field: "body" };
        assert_eq!(failed.error.kind(), &expected, "{}", body.escape_ascii());
        assert_eq!(failed.message.body, body, "the message comes back");
    }
    assert!(world.stored().is_empty(), "nothing was sent");
}

#[tokio::test(start_paused = true)]
async fn with_encryption_off_what_is_no_lookalike_passes() {
    let world = World::new();
    let client = world.plain();
    for body in HARMLESS {
        client.send(Message::new(body)).await.unwrap();
        let received = next_opened(&client).await;
        assert_eq!(received.body(), body);
        received.complete().await.unwrap();
    }
}

/// The control: had it been sent, nobody could have received it.
#[tokio::test(start_paused = true)]
async fn a_lookalike_that_was_sent_by_other_means_is_never_taken_for_a_plaintext() {
    let world = World::new();
    let client = world.plain();
    for body in LOOKALIKES {
        world.inject(Message::new(body)).await;
        next_rejected(&client).await;
    }
    assert_eq!(world.dead().len(), LOOKALIKES.len());
}

/// A sealed message that passes a program in between and is sent on as it is.
#[tokio::test(start_paused = true)]
async fn a_frame_sealed_again_comes_back_as_that_frame() {
    let world = World::new();
    let client = world.sealing();
    client.send(Message::new("body")).await.unwrap();
    let frame = world.steal().await.body;
    client.send(Message::new(frame.clone())).await.unwrap();
    assert_eq!(next_opened(&client).await.body(), &frame);
}
