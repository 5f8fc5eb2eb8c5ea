//! Settling one delivery by the subject it came with.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use sealmq_queue_core::{Certainty, Feature, Settlement, Settler, TransportError};

use crate::capabilities::LONGEST_TIME;
use crate::channel::Channel;
use crate::dead_letters;
use crate::pulled::Pulled;

/// Settles with an answer: `Ok` means that the server has done it. It does not tell, however,
/// whether the lock was still held: see `detects_lost_lock`.
pub(crate) struct JetStreamSettler {
    channel: Arc<Channel>,
    pulled: Pulled,
}

impl JetStreamSettler {
    pub(crate) fn new(channel: &Arc<Channel>, pulled: Pulled) -> Self {
        Self { channel: Arc::clone(channel), pulled }
    }

    /// Refuses what cannot be done, before any I/O.
    fn check(&self, settlement: &Settlement) -> Result<(), TransportError> {
        let capabilities = &self.channel.jetstream.capabilities;
        match settlement {
            Settlement::Complete => Ok(()),
            Settlement::Abandon { delay } if *delay > LONGEST_TIME => {
                let reason = format!("at most {} s", LONGEST_TIME.as_secs());
                Err(TransportError::invalid_input("delay", reason))
            }
            Settlement::Abandon { .. } => Ok(()),
            Settlement::DeadLetter { .. } if self.channel.is_dead => {
                let reason = "the message is in the dead-letter queue already";
                Err(TransportError::invalid_input("settlement", reason))
            }
            Settlement::DeadLetter { .. } => Ok(()),
            Settlement::Defer => capabilities.require(Feature::Defer),
            _ => Err(TransportError::unsupported(capabilities.transport, "this settlement")),
        }
    }
}

#[async_trait]
impl Settler for JetStreamSettler {
    async fn settle(&self, settlement: Settlement) -> Result<Certainty, TransportError> {
        self.check(&settlement)?;
        let order = match settlement {
            Settlement::Abandon { delay } if delay.is_zero() => Bytes::from("-NAK"),
            Settlement::Abandon { delay } => {
                format!("-NAK {{\"delay\":{}}}", delay.as_nanos()).into()
            }
            Settlement::DeadLetter { reason, description } => {
                dead_letters::bury(&self.channel, &self.pulled, &reason, &description).await?;
                return Ok(Certainty::Confirmed);
            }
            _ => Bytes::from("+ACK"), // `check` has let nothing else through
        };
        self.channel.settle(&self.pulled, order).await?;
        Ok(Certainty::Confirmed)
    }

    /// The server can only begin the queue's own lock anew: what is asked for must fit in it.
    async fn extend(&self, duration: Duration) -> Result<(), TransportError> {
        let ack_wait = self.channel.rules.ack_wait;
        if duration.is_zero() || duration > ack_wait {
            let reason = format!(
                "more than nothing and at most the {} ms that the queue locks for",
                ack_wait.as_millis()
            );
            return Err(TransportError::invalid_input("duration", reason));
        }
        self.channel.settle(&self.pulled, "+WPI").await
    }
}

/// The settler of a message that left the queue when it was handed out.
pub(crate) struct DeletedSettler(pub(crate) &'static str);

impl DeletedSettler {
    fn nothing_to_settle(&self) -> TransportError {
        let transport = format!("{}, receive-and-delete", self.0);
        TransportError::unsupported(&transport, Feature::Settlement.name())
    }
}

#[async_trait]
impl Settler for DeletedSettler {
    async fn settle(&self, _settlement: Settlement) -> Result<Certainty, TransportError> {
        Err(self.nothing_to_settle())
    }

    async fn extend(&self, _duration: Duration) -> Result<(), TransportError> {
        Err(self.nothing_to_settle())
    }
}
