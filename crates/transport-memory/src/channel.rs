//! One side of a queue, over one connection.

use std::sync::Arc;

use sealmq_queue_core::{TransportError, TransportErrorKind};

use crate::broker::Connection;
use crate::queue::Side;
use crate::shared_queue::Queue;

/// Where deliveries come from and settlements go to.
pub(crate) struct Channel {
    pub(crate) connection: Arc<Connection>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) side: Side,
}

impl Channel {
    /// `LockLost`, for the object of the attempt.
    pub(crate) fn lock_lost(&self, object: &str) -> TransportError {
        let context = format!("{object} of queue {}", self.queue.name);
        TransportError::new(TransportErrorKind::LockLost, context)
    }
}
