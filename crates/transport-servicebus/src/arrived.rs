//! A message that was received, and what those who wait for messages want.

use fe2o3_amqp::link::delivery::DeliveryInfo;
use tokio::time::{Duration, Instant};

use crate::wire::{Incoming, LockToken};

/// A message that was received.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) incoming: Incoming,
    pub(crate) info: DeliveryInfo,
    /// Which of the links of the receiver, one after the other, it came on.
    pub(crate) epoch: u64,
    pub(crate) token: Option<LockToken>,
    pub(crate) received_at: Instant,
    pub(crate) lock: Duration,
    /// Whether the broker was told to remove it and the answer got lost.
    pub(crate) perhaps_removed: bool,
}

impl Arrived {
    /// What is left of its lock.
    pub(crate) fn lock_left(&self) -> Duration {
        let elapsed = self.received_at.elapsed();
        // A little is spent on every way; a message that was just received has its whole lock.
        if elapsed < self.lock / 20 { self.lock } else { self.lock.saturating_sub(elapsed) }
    }
}

/// What the task that owns the link goes by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand {
    /// Messages that callers wait for.
    pub(crate) waiting: usize,
    /// Messages that are there for them.
    pub(crate) ready: usize,
    /// When a caller last waited.
    pub(crate) last_wanted: Instant,
    /// When the oldest message was received, and how long its lock lasts.
    pub(crate) oldest: Option<(Instant, Duration)>,
}
