//! A frame that was changed on the broker: no part of it can be, and nothing of it is released.

use sealmq_client::RejectionOutcome;
use sealmq_crypto_core::format::{Frame, KEY_REFERENCE_OFFSET, TAG_LEN, armour};
use sealmq_queue_core::Message;

use crate::support::attack::{
    is_refused, rich_message, works_on_plaintext_and_not_on_sealed as attack,
};
use crate::support::{World, next_opened, next_rejected, with_body};

/// Flips one bit, counted from the start of the body.
fn flip(message: &mut Message, at: usize) {
    let mut body = message.body.to_vec();
    body[at] ^= 1;
    message.body = body.into();
}

/// Flips one bit, counted from the end of the body.
fn flip_from_end(message: &mut Message, at: usize) {
    flip(message, message.body.len() - at);
}

#[tokio::test(start_paused = true)]
async fn a_changed_ciphertext_is_refused() {
    attack(|message| flip_from_end(message, TAG_LEN + 1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_tag_is_refused() {
    attack(|message| flip_from_end(message, 1)).await;
    attack(|message| flip_from_end(message, TAG_LEN)).await;
}

#[tokio::test(start_paused = true)]
async fn a_truncated_body_is_refused() {
    attack(|message| message.body.truncate(message.body.len() - 1)).await;
}

#[tokio::test(start_paused = true)]
async fn an_appended_byte_is_refused() {
    attack(|message| message.body = [&message.body[..], b"!"].concat().into()).await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_commitment_is_refused() {
    is_refused(|message| {
        let header_len = Frame::parse(&message.body).unwrap().header_len();
        flip(message, header_len - 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_nonce_is_refused() {
    is_refused(|message| flip(message, KEY_REFERENCE_OFFSET - 1)).await;
}

/// An old message made to look young.
#[tokio::test(start_paused = true)]
async fn a_changed_time_is_refused() {
    is_refused(|message| flip(message, 17)).await;
}

#[tokio::test(start_paused = true)]
async fn a_frame_rewritten_to_the_other_suite_is_refused() {
    is_refused(|message| {
        let mut body = message.body.to_vec();
        body[5] = 0x02;
        message.body = body.into();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_names_another_key_of_the_receiver_is_refused() {
    let world = World::new();
    let client = world.sealing();
    client.send(rich_message()).await.unwrap();
    world.keys.rotate(crate::support::key_id("orders-2")).unwrap();
    world
        .tamper(|message| {
            let mut body = message.body.to_vec();
            let id_end = KEY_REFERENCE_OFFSET + 1 + "orders-1".len();
            body[id_end - 1] = b'2';
            message.body = body.into();
        })
        .await;
    assert_eq!(next_rejected(&client).await.error.code(), "authentication_failed");
}

#[tokio::test(start_paused = true)]
async fn every_bit_of_a_small_frame_counts() {
    let world = World::new();
    let client = world.sealing();
    let message = Message::with_id("m", "abc");
    client.send(message.clone()).await.unwrap();
    let sealed = world.steal().await;
    for bit in 0..sealed.body.len() * 8 {
        let mut body = sealed.body.to_vec();
        body[bit / 8] ^= 1 << (bit % 8);
        let changed = with_body(sealed.clone(), body);
        world.inject(changed.clone()).await;
        let received = client.receive(1, crate::support::SECOND).await.unwrap().remove(0);
        match received {
            // A body without the marker is a plaintext, which this policy lets pass; it is not
            // taken for what was sealed.
            Ok(plain) => {
                assert!(bit < 32, "bit {bit} is in the marker");
                assert!(!plain.message.is_encrypted() && *plain.body() == changed.body);
                plain.complete().await.unwrap();
            }
            Err(rejected) => {
                assert!(bit >= 32, "bit {bit} is behind the marker");
                assert_eq!(rejected.outcome, RejectionOutcome::DeadLettered, "bit {bit}");
            }
        }
    }
    world.inject(sealed).await;
    assert_eq!(next_opened(&client).await.message.message, message, "unchanged it opens");
}

#[tokio::test(start_paused = true)]
async fn a_frame_cut_at_any_length_is_refused() {
    let world = World::new();
    let client = world.sealing();
    client.send(Message::with_id("m", "abc")).await.unwrap();
    let sealed = world.steal().await;
    for length in 4..sealed.body.len() {
        let body = sealed.body.slice(..length);
        world.inject(with_body(sealed.clone(), body)).await;
        let rejected = next_rejected(&client).await;
        assert_eq!(rejected.outcome, RejectionOutcome::DeadLettered, "{length} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn an_armoured_frame_opens_and_a_changed_one_is_refused() {
    let world = World::new();
    let client = world.sealing();
    client.send(rich_message()).await.unwrap();
    let sealed = world.steal().await;
    let armoured = armour(&sealed.body);

    let text = |text: String| with_body(sealed.clone(), text);
    world.inject(text(armoured.clone())).await;
    let opened = next_opened(&client).await;
    assert_eq!(opened.message.message, rich_message());
    opened.complete().await.unwrap();

    // Another spelling of the same bytes would be another name for a replay.
    for spelling in [format!("{armoured}\n"), format!("{armoured}="), armoured[..99].to_owned()] {
        world.inject(text(spelling)).await;
        assert_eq!(next_rejected(&client).await.error.code(), "malformed");
    }
    let mut changed = armoured.into_bytes();
    changed[100] = if changed[100] == b'A' { b'B' } else { b'A' };
    world.inject(text(String::from_utf8(changed).unwrap())).await;
    next_rejected(&client).await;
}
