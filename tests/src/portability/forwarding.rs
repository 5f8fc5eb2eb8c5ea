//! From one broker to another, by someone without keys: as bytes, and as the text that brokers of
//! text make of them.

use std::time::Duration;

use sealmq_client::{QueueClient, ReceivedMessage};
use sealmq_crypto_core::format::armour;
use sealmq_keys_local::MemoryKeyring;
use sealmq_queue_core::{Delivery, Feature, Message};

use crate::client::support::{builder, keyring, opened, send};
use crate::outcome::CaseResult;
use crate::transport::{Ctx, Queue};

/// Whether what is forwarded is the frame or its text.
type Carry = fn(&mut Message);

/// A message sealed on `from` opens on `to`.
pub(super) async fn forward(from: Ctx, to: Ctx) -> CaseResult {
    let keys = keyring()?;
    let (departure, arrival) = (from.queue().await?, to.queue().await?);
    let sender = client(&from, &departure, &keys)?;
    let receiver = client(&to, &arrival, &keys)?;
    let carrier = departure.reader().await?;
    // Core NATS keeps nothing for those who are not there yet.
    check!(receiver.receive(1, Duration::from_millis(100)).await?.is_empty(), "it is empty");

    let carries: [Carry; 2] = [
        |_| (),
        |message| {
            message.body = armour(&message.body).into();
        },
    ];
    for carry in carries {
        let sent = Message::new("carried from broker to broker, \u{1f4ee} and back")
            .with_session_id("customer-7")
            .with_correlation_id("request-7")
            .with_message_type("order.created")
            .with_content_type("text/plain")
            .with_reply_to("answers")
            .with_attribute("tenant", "acme");
        send(&sender, sent.clone()).await?;
        let Delivery { mut message, receipt, .. } = carrier.one().await?;
        check!(!contains(&message.body, b"carried"), "the carrier sees no plaintext");
        carry(&mut message);
        arrival.send(message).await?;
        if from.has(Feature::Settlement) {
            receipt.complete().await?;
        }

        let received = opened(&to, &receiver).await?;
        check!(received.message.is_encrypted(), "it arrives sealed");
        check!(received.message.message == sent, "it arrives as it was sent, all of it");
        settle(&to, received).await?;
    }
    Ok(())
}

fn client(ctx: &Ctx, queue: &Queue, keys: &MemoryKeyring) -> CaseResult<QueueClient> {
    Ok(builder(ctx, queue, keys).build()?)
}

async fn settle(ctx: &Ctx, message: ReceivedMessage) -> CaseResult {
    if ctx.has(Feature::Settlement) {
        message.complete().await?;
    }
    Ok(())
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
