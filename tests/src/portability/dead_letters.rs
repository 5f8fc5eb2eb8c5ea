//! The dead-letter queue of each broker: read, inspected without keys, and redriven once the key
//! is there.

use std::sync::Arc;
use std::time::Duration;

use sealmq_client::RejectionOutcome;
use sealmq_crypto_core::EncryptionKeyId;
use sealmq_crypto_core::format::{Frame, KeyReference};
use sealmq_queue_core::Feature;
use tokio::time::Instant;

use crate::client::support::{builder, builder_over, keyring, opened, send};
use crate::outcome::{CaseResult, Stop};
use crate::runner::Time;
use crate::transport::{Backend, Ctx};

/// A message whose key is missing is dead-lettered, tells which key it wants, and opens after it
/// was redriven to a client that has the key.
pub(super) async fn read_inspect_redrive_on(
    backend: Arc<dyn Backend>,
) -> CaseResult<Option<String>> {
    let ctx = Ctx::connect("portability-dead", backend.harness(Time::Real).await?).await?;
    let missing = [Feature::DeadLetter, Feature::Redrive].into_iter().find(|f| !ctx.has(*f));
    let outcome = match missing {
        Some(feature) => Ok(Some(format!("has none: {} is not offered", feature.name()))),
        None => read_inspect_redrive(&ctx).await.map(|()| None),
    };
    ctx.clean_up().await;
    outcome
}

async fn read_inspect_redrive(ctx: &Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let (wanted, others) = (keyring()?, keyring()?);
    wanted.rotate(EncryptionKeyId::new("orders-2026-11")?)?;
    let with_key = builder(ctx, &queue, &wanted).build()?;
    let without_key = builder_over(ctx.connect_again().await?, ctx, &queue, &others).build()?;
    let sent = queue.message("needs its key").with_attribute("tenant", "acme");
    send(&with_key, sent.clone()).await?;

    // A key that the list lacks may be younger than the list, so the first answer may be to wait.
    let start = Instant::now();
    loop {
        check!(
            start.elapsed() < 3 * ctx.timing().patience,
            "a message without its key is given up"
        );
        let mut received = without_key.receive(1, ctx.timing().patience).await?;
        match received.pop() {
            Some(Err(rejected)) if rejected.outcome == RejectionOutcome::DeadLettered => break,
            Some(Err(_)) | None => {}
            Some(Ok(_)) => return Err(Stop::broken("a message without its key does not open")),
        }
    }
    without_key.close().await?;

    let letters = queue.dead_letters().await?;
    let letter = letters.one().await?;
    let info = letter.receipt.metadata().dead_letter.clone().unwrap_or_default();
    check_eq!(info.reason.as_deref(), Some("key_not_found"), "the reason can be read");
    let frame = Frame::parse(&letter.message.body)?;
    let KeyReference::Named(id) = frame.key_reference() else {
        return Err(Stop::broken("the frame names its key"));
    };
    check_eq!(id.as_bytes(), b"orders-2026-11", "which key it wants can be read without keys");
    check_eq!(letter.message.id, sent.id, "so can its id");
    letter.receipt.abandon(Duration::ZERO).await?;
    letters.close().await?;

    check_eq!(ctx.transport().redrive(queue.address(), 10).await?, 1, "it is redriven");
    let received = opened(ctx, &with_key).await?;
    check!(received.message.message == sent, "with the key it opens, as it was sent");
    received.complete().await?;
    Ok(())
}
