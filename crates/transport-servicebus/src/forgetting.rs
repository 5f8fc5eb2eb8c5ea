//! Deliveries that nobody will settle: the link forgets them once their locks have run out.

use std::collections::VecDeque;

use fe2o3_amqp::link::delivery::DeliveryInfo;
use tokio::time::{Duration, Instant};

/// So much later than we think a lock has run out for certain.
const MARGIN: Duration = Duration::from_secs(10);

/// What is to be forgotten, and when.
#[derive(Debug, Default)]
pub(crate) struct Forgetting(VecDeque<(Instant, DeliveryInfo)>);

impl Forgetting {
    pub(crate) fn add(&mut self, lock_ends_at: Instant, info: DeliveryInfo) {
        self.0.push_back((lock_ends_at + MARGIN, info));
    }

    /// When the one that was added first is due. Those behind it may be due earlier, and wait.
    pub(crate) fn due_at(&self) -> Option<Instant> {
        self.0.front().map(|(at, _)| *at)
    }

    pub(crate) fn due(&mut self, now: Instant) -> Vec<DeliveryInfo> {
        let count = self.0.iter().take_while(|(at, _)| *at <= now).count();
        self.0.drain(..count).map(|(_, info)| info).collect()
    }
}
