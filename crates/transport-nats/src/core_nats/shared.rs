//! One connection for everything of core NATS.

use sealmq_queue_core::{Capabilities, TransportError};

use crate::client::Connection;
use crate::names::encode_queue;

/// What transport and receivers share.
pub(super) struct Shared {
    pub(super) connection: Connection,
    pub(super) capabilities: Capabilities,
    pub(super) queue_group: String,
    pub(super) subject_prefix: String,
}

impl Shared {
    /// The subject of a queue: encoded as the streams of `JetStream` are.
    pub(super) fn subject(&self, queue: &str) -> Result<String, TransportError> {
        Ok(format!("{}.core.{}", self.subject_prefix, encode_queue(queue)?))
    }
}
