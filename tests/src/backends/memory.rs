//! The in-memory broker under test: everything native, and stripped to the bare minimum.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sealmq_queue_core::{BodyEncoding, Capabilities, Feature, Limits, Transport};
use sealmq_transport_memory::{
    MemoryTransport, MemoryTransportBuilder, QueueKind as MemoryQueueKind, QueueSettings,
};

use crate::outcome::CaseResult;
use crate::runner::Time;
use crate::transport::{Backend, Expectations, Harness, QueueKind, QueueSpec, Timing};

/// The in-memory transport; every case has a broker of its own.
pub struct MemoryBackend {
    name: &'static str,
    builder: fn() -> MemoryTransportBuilder,
}

impl MemoryBackend {
    /// With every feature, and with limits that are small enough to be reached.
    pub fn full() -> Self {
        Self {
            name: "memory",
            builder: || MemoryTransport::builder().limits(limits(BodyEncoding::Binary, true)),
        }
    }

    /// With settlement and nothing else, and limits as a broker of text has them.
    pub fn bare() -> Self {
        Self {
            name: "memory-bare",
            builder: || {
                let limits = limits(BodyEncoding::Base64, false);
                let everything = MemoryTransport::builder().limits(limits);
                TAKEN_AWAY.iter().fold(everything, |builder, feature| builder.without(*feature))
            },
        }
    }
}

/// Everything but settlement, which the in-memory broker never refuses.
const TAKEN_AWAY: &[Feature] = &[
    Feature::DelayedAbandon,
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
    Feature::OrderedGroups,
    Feature::Deduplication,
    Feature::Peek,
    Feature::Depth,
    Feature::Redrive,
];

fn limits(body_encoding: BodyEncoding, empty_attribute_values: bool) -> Limits {
    Limits {
        max_message_bytes: 256 * 1024,
        body_encoding,
        max_attributes: 10,
        empty_attribute_values,
        max_batch_messages: 10,
        max_delay: Duration::from_secs(15 * 60),
        max_lock: Duration::from_secs(12 * 60 * 60),
    }
}

#[async_trait]
impl Backend for MemoryBackend {
    fn name(&self) -> &'static str {
        self.name
    }

    fn time(&self) -> Time {
        Time::Paused
    }

    async fn harness(&self, time: Time) -> CaseResult<Box<dyn Harness>> {
        let first = (self.builder)().build()?;
        Ok(Box::new(MemoryHarness { first, time }))
    }
}

struct MemoryHarness {
    first: MemoryTransport,
    time: Time,
}

#[async_trait]
impl Harness for MemoryHarness {
    async fn transport(&self) -> CaseResult<Arc<dyn Transport>> {
        Ok(Arc::new(self.first.connect_again()))
    }

    async fn create_queue(&self, name: &str, spec: &QueueSpec) -> CaseResult<String> {
        let settings = QueueSettings::default()
            .with_kind(match spec.kind {
                QueueKind::Standard => MemoryQueueKind::Standard,
                QueueKind::OrderedGroups => MemoryQueueKind::OrderedGroups,
                QueueKind::Sessions => MemoryQueueKind::Sessions,
            })
            .with_lock_duration(spec.lock)
            .with_max_deliveries(spec.max_deliveries)
            .with_deduplication_window(spec.deduplicates.then_some(Duration::from_secs(600)))
            .with_max_messages(spec.max_messages);
        self.first.create_queue(name, settings)?;
        Ok(name.to_owned())
    }

    fn timing(&self) -> Timing {
        match self.time {
            Time::Paused => Timing::paused(),
            Time::Real => Timing { quiet: Duration::from_millis(100), ..Timing::real() },
        }
    }

    fn expectations(&self, capabilities: &Capabilities) -> Expectations {
        Expectations {
            exhausted_reason: Some("MaxDeliveryCountExceeded"),
            ..Expectations::declared_by(capabilities)
        }
    }
}
