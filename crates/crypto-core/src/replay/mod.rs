//! Refusing replays without refusing redeliveries: reserve on receive, commit on complete.

mod memory;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::encrypted_message::Nonce;

pub use memory::MemoryReplayGuard;

/// Who holds a message: the broker's own identity of the stored copy.
///
/// Equal across redeliveries of one copy, different for another copy of the same frame. Cheap to
/// clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeliveryIdentity(Arc<str>);

impl DeliveryIdentity {
    /// The identity the broker gave.
    pub fn new(broker_id: &str) -> Self {
        Self(broker_id.into())
    }

    /// The identity the broker gave.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What became of a reservation.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reservation {
    /// The message may be handed out: it is new, or the same copy comes again.
    Granted,
    /// This very copy was completed before and the broker has not heard of it: settle it, do not
    /// hand it out.
    Completed,
    /// Another copy of the message was completed before, or is being worked on.
    Replayed,
}

/// The replay store could not answer: nothing is known about the message.
#[derive(Debug)]
pub struct ReplayError(Box<dyn std::error::Error + Send + Sync>);

impl ReplayError {
    /// The store's own error.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the replay store is unavailable")
    }
}

impl std::error::Error for ReplayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

/// Remembers which messages were completed. One guard serves one group of competing consumers.
///
/// # Contract
/// - Only authenticated nonces are given to it.
/// - `reserve` grants a nonce to one identity at a time, and to the same identity again.
/// - A reservation lapses after its `lease`, so that a crashed consumer's message may come back
///   under a new identity.
/// - A committed nonce is never granted again, whatever its identity, until its retention is over.
/// - It never forgets a live nonce to make room: a full store is an error.
#[async_trait]
pub trait ReplayGuard: Send + Sync {
    /// Reserves a nonce for a delivery; `lease` is the message's lock time, `retention` how long
    /// the nonce matters at all.
    ///
    /// # Errors
    /// [`ReplayError`] when the store cannot answer; retryable.
    async fn reserve(
        &self,
        nonce: &Nonce,
        identity: &DeliveryIdentity,
        lease: Duration,
        retention: Duration,
    ) -> Result<Reservation, ReplayError>;

    /// Prolongs a reservation along with the message's lock.
    ///
    /// # Errors
    /// As [`ReplayGuard::reserve`].
    async fn extend(
        &self,
        nonce: &Nonce,
        identity: &DeliveryIdentity,
        lease: Duration,
    ) -> Result<(), ReplayError>;

    /// The message is completed: its nonce is refused from now on.
    ///
    /// # Errors
    /// As [`ReplayGuard::reserve`].
    async fn commit(&self, nonce: &Nonce, identity: &DeliveryIdentity) -> Result<(), ReplayError>;

    /// The message goes back to the queue: its nonce is free again, unless it was committed.
    ///
    /// # Errors
    /// As [`ReplayGuard::reserve`].
    async fn release(&self, nonce: &Nonce, identity: &DeliveryIdentity) -> Result<(), ReplayError>;

    /// How much of its room is taken, from 0 to 1. The default has no limit of its own, or does not
    /// know it.
    fn occupancy(&self) -> Option<f64> {
        None
    }

    /// Asks the store whether it answers, and keeps nothing. The default asks nothing and says that
    /// it does.
    ///
    /// # Errors
    /// As [`ReplayGuard::reserve`].
    async fn health(&self) -> Result<(), ReplayError> {
        Ok(())
    }
}
