//! What SQS can do, by type of queue; the contract suite holds each claim to the test.

use std::time::Duration;

use sealmq_queue_core::{BodyEncoding, Capabilities, Certainty, Feature, Limits, Support};

use crate::config::QueueType;
use crate::limits::{MAX_BATCH, MAX_DESCRIPTION_BYTES, MAX_MESSAGE_BYTES, MAX_REASON_BYTES};
use crate::time::MAX_VISIBILITY;
use crate::wire::{self, MAX_USER_ATTRIBUTES};

/// What is kept free of each message for our marker, and for the reason once it is dead-lettered: a
/// message that could be sent can also be dead-lettered.
const RESERVED_BYTES: usize = 1_024;

/// What a note adds to a message that could be sent.
const MAX_NOTE_BYTES: usize = MAX_REASON_BYTES + MAX_DESCRIPTION_BYTES;

const _: () = assert!(wire::MAX_OVERHEAD_BYTES + MAX_NOTE_BYTES <= RESERVED_BYTES);

/// `DelaySeconds` is 900 at most.
const MAX_DELAY: Duration = Duration::from_secs(900);

pub(crate) fn of(queue_type: QueueType) -> Capabilities {
    let fifo = queue_type == QueueType::Fifo;
    let only = |condition: bool| if condition { Support::Native } else { Support::None };
    let mut capabilities = Capabilities::new(if fifo { "sqs-fifo" } else { "sqs" })
        .with(Feature::Settlement, Support::Native)
        .with(Feature::DelayedAbandon, Support::Native)
        .with(Feature::ExtendLock, Support::Native)
        .with(Feature::DeadLetter, Support::Emulated)
        .with(Feature::MaxDeliveries, Support::Native)
        .with(Feature::Depth, Support::Native)
        .with(Feature::Redrive, Support::Emulated)
        .with(Feature::ScheduledSend, only(!fifo))
        .with(Feature::OrderedGroups, only(fifo))
        .with(Feature::Deduplication, only(fifo));
    // On a standard queue a stale receipt handle is accepted in silence, with or without effect.
    capabilities.settlement_certainty = if fifo { Certainty::Confirmed } else { Certainty::Sent };
    capabilities.detects_lost_lock = fifo;
    capabilities.fences_stale_holder = fifo;
    capabilities.limits = Limits {
        max_message_bytes: MAX_MESSAGE_BYTES - RESERVED_BYTES,
        body_encoding: BodyEncoding::Base64,
        max_attributes: MAX_USER_ATTRIBUTES,
        empty_attribute_values: false,
        max_batch_messages: MAX_BATCH,
        max_delay: if fifo { Duration::ZERO } else { MAX_DELAY },
        max_lock: MAX_VISIBILITY,
    };
    capabilities
}
