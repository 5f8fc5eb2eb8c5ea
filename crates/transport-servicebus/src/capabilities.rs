//! What Service Bus can do, and what this adapter adds.

use std::time::Duration;

use sealmq_queue_core::{Capabilities, Certainty, Feature, Support};

use crate::config::ServiceBusConfig;

/// The transport's name in errors, logs and reports.
pub(crate) const NAME: &str = "servicebus";

/// Attributes per message. The service counts bytes only; a bound on the number bounds what their
/// encoding adds to them.
const MAX_ATTRIBUTES: usize = 64;
/// What the encoding adds to the largest message: the headers of its sections and attributes, the
/// envelope of a batch, and what a copy says about its original.
const ENCODING_BYTES: usize = 4 * 1024;
/// No limit of the service is documented; this one keeps times within what AMQP can state.
const MAX_DELAY: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// "Message transfers, locks, and settlement": a lock lasts five minutes at most, and may be
/// renewed for as long as one likes.
const MAX_LOCK: Duration = Duration::from_secs(5 * 60);

pub(crate) fn of(config: &ServiceBusConfig) -> Capabilities {
    let native = [
        Feature::Settlement,
        Feature::ExtendLock,
        Feature::DeadLetter,
        Feature::MaxDeliveries,
        Feature::DeliveryCount,
        Feature::Defer,
        Feature::ScheduledSend,
        Feature::CancelScheduled,
        Feature::TimeToLive,
        Feature::Sessions,
        Feature::SessionState,
        Feature::Deduplication,
        Feature::Peek,
    ];
    let mut capabilities = native
        .into_iter()
        .fold(Capabilities::new(NAME), |all, feature| all.with(feature, Support::Native))
        .with(Feature::DelayedAbandon, Support::Emulated)
        .with(Feature::Redrive, Support::Emulated);
    capabilities.settlement_certainty = Certainty::Confirmed;
    capabilities.limits.max_message_bytes = config.max_message_bytes - ENCODING_BYTES;
    capabilities.limits.max_attributes = MAX_ATTRIBUTES;
    capabilities.limits.max_delay = MAX_DELAY;
    capabilities.limits.max_lock = MAX_LOCK;
    capabilities
}
