//! Sealed bodies over a transport: what it does to them, and what the client does when they break.

use std::sync::Arc;
use std::time::Duration;

use sealmq_client::{ClientErrorKind, RejectionOutcome};
use sealmq_crypto_core::format::{Frame, TAG_LEN};
use sealmq_crypto_core::{CryptoConfig, CryptoErrorKind};
use sealmq_queue_core::{Bytes, Message, TransportErrorKind};

use super::support::{builder, keyring, listen, nothing_comes, opened, rejected, send};
use crate::outcome::{CaseResult, Stop};
use crate::transport::case::case_table;
use crate::transport::{Case, Ctx, Queue};

pub(super) const CASES: &[Case] = case_table! { "crypto":
    ciphertext_roundtrip_every_transport [];
    headers_bound_as_aad_survive_transport [];
    max_plaintext_reported_equals_actual [] slow;
    redelivery_same_ciphertext_same_plaintext [Settlement];
    tampered_ciphertext_dead_letters_with_reason [Settlement, DeadLetter];
    undecryptable_does_not_loop [Settlement, DeadLetter];
};

/// The largest body a case sends; a transport that takes more counts as unlimited.
const LARGEST_BODY_TESTED: usize = 64 << 20;

/// Completes the message, where there is something to settle.
async fn complete(ctx: &Ctx, message: sealmq_client::ReceivedMessage) -> CaseResult {
    if ctx.has(sealmq_queue_core::Feature::Settlement) {
        message.complete().await?;
    }
    Ok(())
}

/// Whatever the body, the transport carries a frame, and the frame opens to the body.
async fn ciphertext_roundtrip_every_transport(ctx: Ctx) -> CaseResult {
    let (queue, keys) = (ctx.queue().await?, keyring()?);
    let client = builder(&ctx, &queue, &keys).build()?;
    listen(&client).await?;
    let all_bytes: Vec<u8> = (0..=255).collect();
    let bodies = [
        Bytes::new(),
        Bytes::from_static(b"a"),
        Bytes::from_static(b"\0"),
        Bytes::from_static(b"QRE1 looks like a frame"),
        Bytes::from_static(b"UVJFMQ=="),
        Bytes::from_static("{\"né\": \"\u{fffe}\"}".as_bytes()),
        Bytes::from(all_bytes),
        Bytes::from(vec![0; 65_536]),
    ];
    for body in bodies {
        let message = queue.message(body.clone());
        send(&client, message).await?;
        let received = opened(&ctx, &client).await?;
        check!(received.message.is_encrypted(), "the message says that it was sealed");
        check!(*received.body() == body, "a body of {} bytes comes back exactly", body.len());
        complete(&ctx, received).await?;
    }
    Ok(())
}

/// Everything that a frame is bound to arrives as it was sent, or the frame would not open.
async fn headers_bound_as_aad_survive_transport(ctx: Ctx) -> CaseResult {
    let (queue, keys) = (ctx.queue().await?, keyring()?);
    let client = builder(&ctx, &queue, &keys).build()?;
    listen(&client).await?;
    let mut sent = queue
        .message("bound to all of this")
        .with_correlation_id("request 7, žluť")
        .with_reply_to("replies.go/here")
        .with_message_type("order.created.v1")
        .with_content_type("application/json; charset=\"utf-8\"")
        .with_attribute("Zone", "eu-1")
        .with_attribute("zone", "eu-2")
        .with_attribute("under_score.dot-dash", " spaces kept ")
        .with_attribute("unicode", "日本語 \u{1f600} e\u{301} \u{e9}")
        .with_attribute("punctuation", "a,b;c=d&e%20f+g\"h'i\\j<k>");
    if ctx.capabilities().limits.empty_attribute_values {
        sent = sent.with_attribute("empty", "");
    }
    send(&client, sent.clone()).await?;
    let received = opened(&ctx, &client).await?;
    check_eq!(received.message.message.id, sent.id, "the message id arrives as it was sent");
    check_eq!(
        received.message.message.attributes,
        sent.attributes,
        "the attributes arrive as they were sent, and are known to be authentic"
    );
    check!(received.message.message == sent, "all other metadata arrives as it was sent");
    complete(&ctx, received).await
}

/// The largest body that the client reports is sent and arrives; a byte more costs no I/O.
async fn max_plaintext_reported_equals_actual(ctx: Ctx) -> CaseResult {
    let (queue, keys) = (ctx.queue().await?, keyring()?);
    let client = builder(&ctx, &queue, &keys).build()?;
    listen(&client).await?;
    for message in [queue.message(""), queue.message("").with_attribute("tenant", "acme")] {
        let limit = client.max_body_bytes(&message);
        if limit > LARGEST_BODY_TESTED {
            return Err(Stop::skip("bodies are not limited, or not by a size to test"));
        }
        let of_size = |bytes: usize| {
            let mut message = message.clone();
            message.body = vec![0xa5; bytes].into();
            message
        };
        let nowhere = client.for_logical_queue(&ctx.missing_queue()?, "contract")?;
        let Err(failed) = nowhere.send(of_size(limit + 1)).await else {
            return Err(Stop::broken("a body over the limit is refused"));
        };
        let too_large = TransportErrorKind::TooLarge { size_bytes: limit + 1, limit_bytes: limit };
        check_eq!(
            failed.error.kind(),
            &ClientErrorKind::Transport(too_large),
            "a body over the limit is refused with size and limit, before any I/O"
        );
        send(&client, of_size(limit)).await?;
        let received = opened(&ctx, &client).await?;
        check_eq!(received.body().len(), limit, "the largest body arrives");
        complete(&ctx, received).await?;
    }
    Ok(())
}

/// A redelivery is the same bytes and opens to the same body, also where replays are refused.
async fn redelivery_same_ciphertext_same_plaintext(ctx: Ctx) -> CaseResult {
    let (queue, keys) = (ctx.short_lock_queue().await?, keyring()?);
    let tracking = CryptoConfig::default().with_enabled(true).with_nonce_tracking(true);
    let client = builder(&ctx, &queue, &keys).with_crypto(tracking).build()?;
    send(&client, queue.message("pay 10 EUR")).await?;

    let reader = queue.reader().await?;
    let first = reader.one().await?;
    let frame = first.message.body.clone();
    first.receipt.abandon(Duration::ZERO).await?;
    let second = reader.one().await?;
    check!(second.message.body == frame, "a redelivery is the same frame, byte for byte");
    second.receipt.abandon(Duration::ZERO).await?;
    reader.close().await?;

    let given_back = opened(&ctx, &client).await?;
    check!(given_back.body() == "pay 10 EUR", "it opens to what was sent");
    given_back.abandon(Duration::ZERO).await?;
    let lock_lost = opened(&ctx, &client).await?;
    check!(lock_lost.body() == "pay 10 EUR", "an abandoned message opens again");
    drop(lock_lost);
    ctx.outlast_short_lock().await;
    let last = opened(&ctx, &client).await?;
    check!(last.body() == "pay 10 EUR", "a message whose lock ran out opens again");
    last.complete().await?;
    ctx.outlast_short_lock().await;
    nothing_comes(&ctx, &client, "it was completed").await
}

/// The attacker takes the message off the queue and puts a changed one into another queue, which
/// the receiver takes for the same: so no deduplication stands in his way.
async fn change_on_the_way(
    ctx: &Ctx,
    queue: &Queue,
    change: impl FnOnce(&mut Message),
) -> CaseResult<(Queue, Message)> {
    let reader = queue.reader().await?;
    let taken = reader.one().await?;
    let mut message = reader.complete(taken).await?;
    change(&mut message);
    let other = ctx.short_lock_queue().await?;
    other.send(message.clone()).await?;
    Ok((other, message))
}

/// A byte of a frame of this length.
type Place = fn(&Frame<'_>, usize) -> usize;

/// A changed ciphertext is refused, and lies in the dead-letter queue as it was, with the reason.
async fn tampered_ciphertext_dead_letters_with_reason(ctx: Ctx) -> CaseResult {
    let (queue, keys) = (ctx.queue().await?, keyring()?);
    let flips: [(&str, Place); 3] = [
        ("ciphertext", |frame, _| frame.header_len()),
        ("tag", |_, len| len - TAG_LEN),
        ("commitment", |frame, _| frame.header_len() - 1),
    ];
    for (what, place) in flips {
        let sender = builder(&ctx, &queue, &keys).build()?;
        send(&sender, queue.message("pay 10 EUR")).await?;
        let flip = |message: &mut Message| {
            let mut body = message.body.to_vec();
            let at = Frame::parse(&message.body).map(|frame| place(&frame, message.body.len()));
            body[at.unwrap()] ^= 1;
            message.body = body.into();
        };
        let (queue, changed) = change_on_the_way(&ctx, &queue, flip).await?;
        let client = builder(&ctx, &queue, &keys).build()?;
        let refused = rejected(&ctx, &client).await?;
        check_eq!(
            refused.error.kind(),
            &CryptoErrorKind::AuthenticationFailed,
            "a changed {what} is told without detail"
        );
        check_eq!(refused.outcome, RejectionOutcome::DeadLettered, "a changed {what} is final");

        let dead = queue.dead_letters().await?.one().await?;
        check!(dead.message.body == changed.body, "the dead letter is the frame, byte for byte");
        let info = dead.receipt.metadata().dead_letter.clone().unwrap_or_default();
        check_eq!(
            info.reason.as_deref(),
            Some("authentication_failed"),
            "the dead letter says why it is one"
        );
        dead.receipt.complete().await?;
        ctx.outlast_short_lock().await;
        nothing_comes(&ctx, &client, "it was moved, not copied").await?;
    }
    Ok(())
}

/// What can never be opened comes once: it neither loops nor blocks what is behind it, and after
/// the key arrived it can be opened from the dead-letter queue.
async fn undecryptable_does_not_loop(ctx: Ctx) -> CaseResult {
    let (queue, keys, others) = (ctx.short_lock_queue().await?, keyring()?, keyring()?);
    let renamed = sealmq_crypto_core::EncryptionKeyId::new("another")?;
    others.rotate(renamed)?;
    let sender = |keys| builder(&ctx, &queue, keys).build();
    send(&sender(&others)?, queue.message("of a key that is not here")).await?;
    send(&sender(&keys)?, queue.message("of a key that is here")).await?;

    let client = builder(&ctx, &queue, &keys).build()?;
    let (mut refused, mut came) = (0, 0);
    let start = tokio::time::Instant::now();
    while start.elapsed() < 3 * ctx.timing().short_lock {
        for received in client.receive(10, ctx.timing().quiet).await? {
            match received {
                Ok(message) => {
                    came += 1;
                    message.complete().await?;
                }
                Err(rejected) => {
                    refused += 1;
                    check_eq!(rejected.error.code(), "key_not_found", "the key is what is missing");
                    check_eq!(rejected.outcome, RejectionOutcome::DeadLettered, "it is moved");
                }
            }
        }
    }
    check_eq!((refused, came), (1, 1), "each message comes once");

    let with_key = builder(&ctx, &queue, &others).build()?;
    let letters = with_key.dead_letters().await?;
    let mut letters = letters.receive(1, ctx.timing().patience).await?;
    check_eq!(letters.len(), 1, "it is in the dead-letter queue");
    let letter = letters.remove(0);
    let body = letter.opened.map(|opened| Arc::<[u8]>::from(&opened.body()[..]));
    check!(
        body.as_deref().is_ok_and(|body| body == b"of a key that is not here"),
        "with the key it opens there"
    );
    letter.receipt.complete().await?;
    Ok(())
}
