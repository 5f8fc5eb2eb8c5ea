//! Receiving: the adapter's trait for one open queue or session.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Certainty, Delivery, Receipt, SettleError, Settlement, TransportError};

/// An open queue, dead-letter queue or session.
///
/// # Contract
/// - Methods may be called from several tasks; settling never waits behind a pending `recv`.
/// - `recv` is cancel-safe: a dropped call loses no message and holds no lock for longer than
///   the queue's lock time.
#[async_trait]
pub trait Receiver: Send + Sync {
    /// Receives up to `max` messages: returns as soon as at least one is there, or with an empty
    /// batch after `wait`.
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `Unavailable`, `Closed`, and `LockLost` when a session was lost.
    async fn recv(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, TransportError>;

    /// Receives a deferred message by its sequence number; `None` if there is no such message.
    ///
    /// # Errors
    /// `Unsupported` before any I/O; else as [`Receiver::recv`].
    async fn recv_deferred(&self, sequence_number: u64)
    -> Result<Option<Delivery>, TransportError>;

    /// Settles several deliveries; the results stand in the order of `settlements`.
    ///
    /// The default settles one after the other; adapters whose broker takes batches override it.
    async fn settle_batch(
        &self,
        settlements: Vec<(Receipt, Settlement)>,
    ) -> Vec<Result<Certainty, SettleError>> {
        let mut results = Vec::with_capacity(settlements.len());
        for (receipt, settlement) in settlements {
            results.push(receipt.settle(settlement).await);
        }
        results
    }

    /// The session this receiver holds, if it holds one.
    fn session(&self) -> Option<&dyn Session> {
        None
    }

    /// Stops receiving and makes messages that were prefetched but not handed out receivable
    /// again. A pending `recv` ends, empty or with `Closed`. Deliveries already handed out can
    /// still be settled. Repeating it is fine.
    ///
    /// # Errors
    /// `Unavailable` when prefetched messages could not be released; they come again after their
    /// lock has run out.
    async fn close(&self) -> Result<(), TransportError>;
}

/// The exclusive hold on one session.
#[async_trait]
pub trait Session: Send + Sync {
    /// The session's id.
    fn id(&self) -> &str;

    /// How long the hold lasts from the moment it was taken or renewed.
    fn lock_duration(&self) -> Duration;

    /// Holds the session for another lock duration from now.
    ///
    /// # Errors
    /// `LockLost` once the hold has run out.
    async fn renew(&self) -> Result<(), TransportError>;

    /// The blob kept with the session.
    ///
    /// # Errors
    /// `LockLost`, `Unsupported`.
    async fn state(&self) -> Result<Option<Bytes>, TransportError>;

    /// Replaces the blob kept with the session.
    ///
    /// # Errors
    /// `LockLost`, `Unsupported`, `TooLarge`.
    async fn set_state(&self, state: Option<Bytes>) -> Result<(), TransportError>;
}
