//! An attack on a message in the queue: it works where nothing is sealed, and must not where it is.

use sealmq_client::RejectionOutcome;
use sealmq_crypto_core::CryptoErrorKind;
use sealmq_queue_core::Message;

use super::{CANARY, World, contains, next_opened, next_rejected, nothing_comes};

/// A message that has everything an attacker may want to change.
pub(crate) fn rich_message() -> Message {
    Message::with_id("payment-0001", format!("pay 10 EUR to Alice, {CANARY}"))
        .with_session_id("customer-42")
        .with_correlation_id("request-7")
        .with_reply_to("payment-replies")
        .with_message_type("payment.requested")
        .with_content_type("text/plain")
        .with_attribute("amount", "10")
        .with_attribute("currency", "EUR")
}

/// Whoever can write to the broker makes this change to [`rich_message`]: unnoticed where nothing
/// is sealed, refused where it is.
pub(crate) async fn works_on_plaintext_and_not_on_sealed(change: impl Fn(&mut Message)) {
    untouched_message_opens().await;
    works_on_plaintext(&change).await;
    is_refused_when_sealed(&change).await;
}

/// As [`works_on_plaintext_and_not_on_sealed`], for changes to what only sealed messages have.
pub(crate) async fn is_refused(change: impl Fn(&mut Message)) {
    untouched_message_opens().await;
    is_refused_when_sealed(&change).await;
}

async fn untouched_message_opens() {
    let world = World::new();
    let client = world.sealing();
    client.send(rich_message()).await.unwrap();
    world.tamper(|_| {}).await;
    assert_eq!(next_opened(&client).await.message.message, rich_message());
}

async fn works_on_plaintext(change: &impl Fn(&mut Message)) {
    let world = World::new();
    let client = world.plain();
    client.send(rich_message()).await.unwrap();
    let changed = world.tamper(change).await;
    let received = next_opened(&client).await.message;
    assert_eq!(received.message, changed);
    assert_ne!(received.message, rich_message(), "without a seal nobody notices the change");
}

async fn is_refused_when_sealed(change: &impl Fn(&mut Message)) {
    let world = World::new();
    let client = world.sealing();
    client.send(rich_message()).await.unwrap();
    let sealed = world.the_stored();
    let changed = world.tamper(change).await;
    assert_ne!(changed, sealed, "the attacker changed something");

    let rejected = next_rejected(&client).await;
    assert_eq!(rejected.error.kind(), &CryptoErrorKind::AuthenticationFailed);
    assert_eq!(rejected.outcome, RejectionOutcome::DeadLettered);
    assert!(rejected.receipt.is_none(), "there is nothing left to settle");
    assert_eq!(rejected.message, changed, "it is given as it arrived");
    let shown = format!("{rejected:?} {} {:?}", rejected.error, rejected.error);
    assert!(!shown.contains(CANARY) && !contains(&rejected.message.body, CANARY.as_bytes()));

    let (dead, reason) = world.the_dead();
    assert_eq!(reason, "authentication_failed");
    assert_eq!(dead, changed, "the dead letter is the message as it arrived, byte for byte");
    assert!(world.stored().is_empty());
    nothing_comes(&client).await;
}
