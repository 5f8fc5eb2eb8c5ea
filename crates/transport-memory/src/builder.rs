//! Building a broker: its queues, its clock and what it can do.

use std::sync::Arc;
use std::time::Duration;

use sealmq_queue_core::{
    Capabilities, DeliveryGuarantee, Feature, Limits, Support, TransportError,
};

use crate::broker::Broker;
use crate::clock::MemoryClock;
use crate::config::QueueSettings;
use crate::transport::MemoryTransport;

const EVERYTHING: [Feature; 17] = [
    Feature::Settlement,
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

/// Builds a [`MemoryTransport`] with a broker of its own.
#[must_use]
#[derive(Debug)]
pub struct MemoryTransportBuilder {
    capabilities: Capabilities,
    clock: Option<MemoryClock>,
    auto_create: bool,
    queues: Vec<(String, QueueSettings)>,
}

impl MemoryTransport {
    /// A connection to a new broker without queues, by tokio's clock.
    pub fn new() -> Self {
        Self::connect(MemoryTransportBuilder::empty_broker())
    }

    /// A builder for a broker with queues, another clock, or limits.
    pub fn builder() -> MemoryTransportBuilder {
        MemoryTransportBuilder::new()
    }
}

impl MemoryTransportBuilder {
    pub(crate) fn new() -> Self {
        let mut capabilities = Capabilities::new("memory");
        capabilities.limits.max_lock = Duration::from_secs(12 * 60 * 60);
        for feature in EVERYTHING {
            capabilities = capabilities.with(feature, Support::Native);
        }
        Self { capabilities, clock: None, auto_create: false, queues: Vec::new() }
    }

    /// Adds a queue.
    pub fn queue(mut self, name: impl Into<String>, settings: QueueSettings) -> Self {
        self.queues.push((name.into(), settings));
        self
    }

    /// Whether a queue that does not exist is created with default settings when it is first
    /// used; otherwise it is `NotFound`, as on other brokers. Off unless asked for.
    pub fn auto_create(mut self, auto_create: bool) -> Self {
        self.auto_create = auto_create;
        self
    }

    /// The clock to run by; [`MemoryClock::tokio`] unless given.
    pub fn clock(mut self, clock: MemoryClock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Sizes and counts to keep to, to imitate another broker. Without this only `max_lock` is
    /// limited, to 12 hours.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.capabilities.limits = limits;
        self
    }

    /// Takes a feature away: what needs it is refused with `Unsupported` before any effect.
    /// Without `MaxDeliveries` the queues' setting is ignored, without `Settlement` only
    /// receive-and-delete is left; `DeliveryCount` is only reported as missing.
    pub fn without(mut self, feature: Feature) -> Self {
        if feature == Feature::Settlement {
            self.capabilities.guarantee = DeliveryGuarantee::AtMostOnce;
        }
        self.capabilities = self.capabilities.with(feature, Support::None);
        self
    }

    /// Builds the broker with its queues and a first connection to it.
    ///
    /// # Errors
    /// `InvalidInput` names the setting of a queue that is not acceptable, `Unsupported` a feature
    /// that a queue needs and that was taken away. Both are permanent.
    pub fn build(self) -> Result<MemoryTransport, TransportError> {
        let clock = self.clock.unwrap_or_default();
        let broker = Broker::new(self.capabilities, clock, self.auto_create);
        for (name, settings) in self.queues {
            broker.create_queue(&name, settings)?;
        }
        Ok(MemoryTransport::connect(Arc::new(broker)))
    }

    pub(crate) fn empty_broker() -> Arc<Broker> {
        let capabilities = Self::new().capabilities;
        Arc::new(Broker::new(capabilities, MemoryClock::tokio(), false))
    }
}
