//! Settling one delivery under its lock.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sealmq_queue_core::{Certainty, Feature, Settlement, Settler, TransportError};

use crate::channel::Channel;
use crate::config::check_lock_duration;
use crate::queue::Side;
use crate::store::{ExtendError, LockKey};

pub(crate) struct LockSettler {
    channel: Arc<Channel>,
    key: LockKey,
}

impl LockSettler {
    pub(crate) fn new(channel: Arc<Channel>, key: LockKey) -> Self {
        Self { channel, key }
    }

    /// Refuses what the broker was told not to be able to, before any effect.
    fn check(&self, settlement: &Settlement) -> Result<(), TransportError> {
        let capabilities = &self.channel.connection.broker.capabilities;
        match settlement {
            Settlement::Abandon { delay } if !delay.is_zero() => {
                capabilities.require(Feature::DelayedAbandon)
            }
            Settlement::DeadLetter { .. } if self.channel.side == Side::Dead => {
                let reason = "the message is in the dead-letter queue already";
                Err(TransportError::invalid_input("settlement", reason))
            }
            Settlement::DeadLetter { .. } => capabilities.require(Feature::DeadLetter),
            Settlement::Defer => capabilities.require(Feature::Defer),
            Settlement::Complete | Settlement::Abandon { .. } => Ok(()),
            _ => Err(TransportError::unsupported(capabilities.transport, "this settlement")),
        }
    }

    fn lock_lost(&self) -> TransportError {
        let object = format!("message {}", self.key.message.sequence);
        self.channel.lock_lost(&object)
    }
}

#[async_trait]
impl Settler for LockSettler {
    async fn settle(&self, settlement: Settlement) -> Result<Certainty, TransportError> {
        self.check(&settlement)?;
        self.channel.connection.check_open()?;
        let side = self.channel.side;
        self.channel
            .queue
            .with(|state, now| state.settle(side, self.key, settlement, now))
            .map_err(|_| self.lock_lost())?;
        Ok(Certainty::Confirmed)
    }

    async fn extend(&self, duration: Duration) -> Result<(), TransportError> {
        let capabilities = &self.channel.connection.broker.capabilities;
        capabilities.require(Feature::ExtendLock)?;
        check_lock_duration("duration", duration, capabilities)?;
        self.channel.connection.check_open()?;
        let max_lock = capabilities.limits.max_lock;
        let extended = self.channel.queue.with(|state, now| {
            let store = state.side(self.channel.side);
            store.extend(self.key, duration, max_lock, now)
        });
        extended.map_err(|error| match error {
            ExtendError::Lost => self.lock_lost(),
            ExtendError::TooLong => {
                let reason = format!("at most {} s, extensions included", max_lock.as_secs());
                TransportError::invalid_input("duration", reason)
            }
        })
    }
}

/// The settler of a message that left the queue when it was handed out.
pub(crate) struct DeletedSettler;

impl DeletedSettler {
    fn nothing_to_settle() -> TransportError {
        TransportError::unsupported("memory, receive-and-delete", Feature::Settlement.name())
    }
}

#[async_trait]
impl Settler for DeletedSettler {
    async fn settle(&self, _settlement: Settlement) -> Result<Certainty, TransportError> {
        Err(Self::nothing_to_settle())
    }

    async fn extend(&self, _duration: Duration) -> Result<(), TransportError> {
        Err(Self::nothing_to_settle())
    }
}
