//! What the transports can do on the server they are connected to.

use std::time::Duration;

use async_nats::Client;
use sealmq_queue_core::{Capabilities, Certainty, DeliveryGuarantee, Feature, Limits, Support};

/// Headers that a message may bring, in bytes as they are on the wire: `JetStream` stops at 65,535.
const MOST_HEADER_BYTES: usize = 65_535;

/// Of the room for headers, what is kept for those that a dead letter gets on top.
pub(crate) const DEAD_LETTER_HEADER_BYTES: usize = 3_072;

/// The longest time of any kind: no clock here or there overflows with it.
pub(crate) const LONGEST_TIME: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Room for headers in a message of the largest size the server takes.
fn header_room(max_payload: usize) -> usize {
    MOST_HEADER_BYTES.min(max_payload / 4)
}

/// How many bytes of headers a message may have when it is sent.
pub(crate) fn max_header_bytes(max_payload: usize) -> usize {
    header_room(max_payload).saturating_sub(DEAD_LETTER_HEADER_BYTES)
}

/// What `JetStream` can do on the connected server.
pub(crate) fn jetstream(client: &Client) -> Capabilities {
    let since = |major, minor| {
        let is_there = client.is_server_compatible(major, minor, 0);
        if is_there { Support::Native } else { Support::None }
    };
    let mut capabilities = Capabilities::new("nats-jetstream")
        .with(Feature::Settlement, Support::Native)
        .with(Feature::DelayedAbandon, Support::Native)
        .with(Feature::ExtendLock, Support::Native)
        .with(Feature::DeadLetter, Support::Emulated)
        .with(Feature::MaxDeliveries, Support::Emulated)
        .with(Feature::DeliveryCount, Support::Native)
        .with(Feature::ScheduledSend, since(2, 12))
        .with(Feature::CancelScheduled, since(2, 12))
        .with(Feature::TimeToLive, since(2, 11))
        .with(Feature::OrderedGroups, Support::Native)
        .with(Feature::Deduplication, Support::Native)
        .with(Feature::Peek, Support::Native)
        .with(Feature::Depth, Support::Native)
        .with(Feature::Redrive, Support::Emulated);
    capabilities.settlement_certainty = Certainty::Confirmed;
    // The server takes the settlement of whoever held the message once, whoever holds it now:
    // https://github.com/nats-io/nats-server/issues/4786
    capabilities.detects_lost_lock = false;
    capabilities.fences_stale_holder = false;
    capabilities.limits = limits(client.max_payload());
    capabilities.limits.max_delay = LONGEST_TIME;
    capabilities.limits.max_lock = LONGEST_TIME;
    capabilities
}

/// What core NATS can do.
pub(crate) fn core(client: &Client) -> Capabilities {
    let mut capabilities = Capabilities::new("nats-core");
    capabilities.guarantee = DeliveryGuarantee::AtMostOnce;
    capabilities.settlement_certainty = Certainty::Sent;
    capabilities.detects_lost_lock = false;
    capabilities.fences_stale_holder = false;
    capabilities.limits = limits(client.max_payload());
    capabilities
}

/// Room for the headers is taken off at the start, so that whatever the limits let through fits.
fn limits(max_payload: usize) -> Limits {
    Limits {
        max_message_bytes: max_payload - header_room(max_payload),
        max_batch_messages: 1,
        ..Limits::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_and_headers_together_never_exceed_the_payload() {
        for max_payload in [4_096, 65_536, 1 << 20, 8 << 20] {
            let most = limits(max_payload).max_message_bytes + header_room(max_payload);
            assert!(most <= max_payload);
            assert!(max_header_bytes(max_payload) <= header_room(max_payload));
        }
    }
}
