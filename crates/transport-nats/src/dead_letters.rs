//! Dead letters: moving a message there, and back. Copy first, settle second.

use std::sync::Arc;
use std::time::Duration;

use sealmq_queue_core::{Source, TransportError};
use tokio::sync::watch;

use crate::channel::Channel;
use crate::jetstream::JetStream;
use crate::pull::pull;
use crate::pulled::Pulled;
use crate::stop::Stop;
use crate::wire;

/// Why a message that was delivered too often is a dead letter.
pub(crate) const TOO_MANY_DELIVERIES: &str = "MaxDeliveryCountExceeded";

/// Messages that one step of a redrive takes.
const STEP: usize = 100;

/// Moves a message to the dead-letter queue. A failure in between leaves the message where it is,
/// and trying again does not double the copy.
///
/// # Errors
/// `NotFound` without a dead-letter queue, `Unavailable`.
pub(crate) async fn bury(
    channel: &Channel,
    pulled: &Pulled,
    reason: &str,
    description: &str,
) -> Result<(), TransportError> {
    let mut headers = copy(channel, pulled, "dead-letter");
    wire::set_dead_letter(&mut headers, reason, description);
    let body = pulled.message.payload.clone();
    let context = format!("dead-lettering a message of queue {}", channel.names.queue);
    channel.store(&channel.names.dead_subject, headers, body, &context).await?;
    channel.settle(pulled, "+TERM").await
}

/// Moves up to `max` dead letters back to their queue and says how many.
///
/// # Errors
/// `NotFound`, `Throttled`, `Unavailable`. What was moved before stays moved.
pub(crate) async fn redrive(
    jetstream: &Arc<JetStream>,
    queue: &str,
    max: usize,
) -> Result<usize, TransportError> {
    let opened = Channel::open(jetstream, &Source::dead_letter(queue)).await?;
    let Some(channel) = opened.first() else {
        return Ok(0);
    };
    let receiver = watch::Sender::new(false);
    let stop = Stop { receiver: receiver.subscribe(), connection: jetstream.connection.closing() };
    let mut moved = 0;
    while moved < max {
        let mut held = pull(channel, STEP.min(max - moved), Duration::ZERO, stop.clone()).await?;
        if held.messages.is_empty() {
            break;
        }
        while let Some(pulled) = held.messages.front() {
            revive(channel, pulled).await?;
            held.messages.pop_front();
            moved += 1;
        }
    }
    Ok(moved)
}

async fn revive(channel: &Channel, pulled: &Pulled) -> Result<(), TransportError> {
    let headers = copy(channel, pulled, "redrive");
    let body = pulled.message.payload.clone();
    let context = format!("moving a dead letter back to queue {}", channel.names.queue);
    let layout = channel.jetstream.layout(&channel.names).await?;
    let session_id = pulled.decode(channel.stream()).session_id;
    let subject = layout.subject(&channel.names, session_id.as_deref())?;
    channel.store(&subject, headers, body, &context).await?;
    channel.settle(pulled, "+ACK").await
}

/// The headers of a copy. Its broker id is derived from the stored original: the same move tried
/// again is dropped as a duplicate, a second move of the same message later is not.
fn copy(channel: &Channel, pulled: &Pulled, why: &str) -> async_nats::HeaderMap {
    let stream = channel.stream();
    let id = pulled.decode(stream).id;
    let mut headers = wire::copy(pulled.message.headers.as_ref(), &id);
    let derived = format!("{id};{why}={}", pulled.broker_id(stream));
    wire::set(&mut headers, wire::BROKER_ID, &derived);
    headers
}
