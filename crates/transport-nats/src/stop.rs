//! What ends a waiting call: its receiver closes, or the connection does.

use sealmq_queue_core::TransportError;
use tokio::sync::watch;

/// Tells a waiting call that its receiver or connection closes.
#[derive(Clone)]
pub(crate) struct Stop {
    pub(crate) receiver: watch::Receiver<bool>,
    pub(crate) connection: watch::Receiver<bool>,
}

impl Stop {
    /// Returns once either closes.
    pub(crate) async fn stopped(&mut self) {
        tokio::select! {
            _ = self.receiver.wait_for(|closed| *closed) => {}
            _ = self.connection.wait_for(|closed| *closed) => {}
        }
    }

    /// `Closed` once either has closed.
    pub(crate) fn check(&self) -> Result<(), TransportError> {
        if *self.connection.borrow() {
            Err(TransportError::closed("connection"))
        } else if *self.receiver.borrow() {
            Err(TransportError::closed("receiver"))
        } else {
            Ok(())
        }
    }
}
