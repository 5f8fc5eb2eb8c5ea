//! Settling one delivery: by a request, which is answered, under the token of its lock.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sealmq_queue_core::{
    Certainty, Feature, Settlement, Settler, TransportError, TransportErrorKind as Kind,
};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::capabilities::NAME;
use crate::channel::Channel;
use crate::error;
use crate::management::lock_tokens;
use crate::outcome::Outcome;
use crate::pump::{Command, LinkDelivery};
use crate::sender;
use crate::wire::{self, Broker, LockToken, Original, Purpose};

/// The lock on one delivery.
pub(crate) struct LockSettler {
    channel: Arc<Channel>,
    delivery: Option<LinkDelivery>,
    token: Option<LockToken>,
    lock: Duration,
    broker: Broker,
    original: Original,
    state: Mutex<State>,
}

struct State {
    /// When the lock runs out unless it is renewed.
    ends_at: Instant,
    is_settled: bool,
    /// Whether the copy that stands for the message while it is held back was made.
    is_copied: bool,
}

impl LockSettler {
    pub(crate) fn new(
        channel: Arc<Channel>,
        delivery: Option<LinkDelivery>,
        token: Option<LockToken>,
        locked: Locked,
        broker: Broker,
        original: Original,
    ) -> Self {
        channel.inbox.begin_flight();
        let state = State { ends_at: locked.ends_at, is_settled: false, is_copied: false };
        let lock = locked.duration;
        let state = Mutex::new(state);
        Self { channel, delivery, token, lock, broker, original, state }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn context(&self) -> String {
        let number = self.broker.sequence_number.unwrap_or_default();
        format!("settle message {number} of {}", self.channel.entity)
    }

    /// Refuses what cannot be done, before any I/O.
    fn check(&self, settlement: &Settlement) -> Result<(), TransportError> {
        let entity = &self.channel.entity;
        match settlement {
            Settlement::DeadLetter { .. } if entity.is_dead_letter() => {
                let reason = "the message is in the dead-letter queue already";
                Err(TransportError::invalid_input("settlement", reason))
            }
            // A copy would go to the queue itself, or to every subscription of the topic.
            Settlement::Abandon { delay }
                if !delay.is_zero() && (entity.is_dead_letter() || entity.is_subscription()) =>
            {
                Err(TransportError::unsupported(NAME, Feature::DelayedAbandon.name()))
            }
            Settlement::Abandon { delay }
                if *delay > self.channel.hub.capabilities.limits.max_delay =>
            {
                Err(TransportError::invalid_input("delay", "over the limit"))
            }
            _ => Ok(()),
        }
    }

    /// Whether the message was delivered as often as it may be. The broker does not know: it counts
    /// each copy from one.
    fn is_spent(&self) -> bool {
        let most = self.channel.hub.config.max_deliveries;
        most.is_some_and(|most| self.broker.delivery_count >= most)
    }

    /// Sends the copy that comes back after the delay. It is not made twice by this receipt, nor
    /// when the lock is lost already: renewing tells.
    async fn hold_back(&self, delay: Duration) -> Result<(), TransportError> {
        if self.state().is_copied {
            return Ok(());
        }
        self.renew().await?;
        let copy = wire::copy(&self.original, &self.broker, Purpose::HoldBack(delay));
        sender::schedule_one(&self.channel.hub, &self.channel.entity, &copy).await?;
        self.state().is_copied = true;
        Ok(())
    }

    /// "com.microsoft:renew-lock"; what belongs to a session is locked with the session.
    async fn renew(&self) -> Result<(), TransportError> {
        let started = Instant::now();
        match (&self.channel.session, &self.token) {
            (Some(_), _) => self.channel.renew_session().await?,
            (None, Some(token)) => {
                let fields = vec![("lock-tokens", lock_tokens([token.to_uuid()]))];
                let operation = self.channel.operation("renew-lock", fields);
                self.channel.hub.request(&self.channel.entity, &operation).await?;
            }
            (None, None) => {
                return Err(TransportError::unsupported(NAME, Feature::ExtendLock.name()));
            }
        }
        self.state().ends_at = started + self.lock;
        Ok(())
    }

    async fn end(&self, outcome: Outcome) -> Result<Certainty, TransportError> {
        let certainty = match &self.token {
            Some(token) => match self.request(token, &outcome).await {
                Err(error) if is_not_offered(&error) => self.on_link(&outcome).await?,
                Err(error) => {
                    if *error.kind() == Kind::LockLost {
                        self.forget(&outcome); // there is nothing left to settle
                    }
                    return Err(error);
                }
                Ok(()) => {
                    self.forget(&outcome);
                    Certainty::Confirmed
                }
            },
            None => self.on_link(&outcome).await?,
        };
        self.state().is_settled = true;
        Ok(certainty)
    }

    /// "com.microsoft:update-disposition": the broker answers whether it could be done.
    async fn request(&self, token: &LockToken, outcome: &Outcome) -> Result<(), TransportError> {
        let mut fields = outcome.to_fields();
        fields.push(("lock-tokens", lock_tokens([token.to_uuid()])));
        let operation = self.channel.operation("update-disposition", fields);
        self.channel.hub.request(&self.channel.entity, &operation).await.map(drop)
    }

    /// Settles on the link, where there is no request for it. The link does not say what came of it.
    async fn on_link(&self, outcome: &Outcome) -> Result<Certainty, TransportError> {
        let gone = || error::lock_lost(format!("{}: its link is gone", self.context()));
        let delivery = self.delivery.clone().ok_or_else(gone)?;
        let (sent, answer) = oneshot::channel();
        let outcome = outcome.to_state();
        let command = Command::Settle { delivery, outcome, sent };
        self.channel.commands.send(command).map_err(|_| gone())?;
        match answer.await {
            Ok(true) => Ok(Certainty::Sent),
            Ok(false) | Err(_) => Err(gone()),
        }
    }

    /// Lets the link forget a delivery that was settled by a request: it would keep it for ever.
    fn forget(&self, outcome: &Outcome) {
        if let Some(delivery) = self.delivery.clone() {
            let outcome = outcome.to_state();
            let _ = self.channel.commands.send(Command::Forget { delivery, outcome });
        }
    }
}

/// In the words that the broker has for it.
fn delivered_too_often() -> Settlement {
    Settlement::DeadLetter {
        reason: "MaxDeliveryCountExceeded".to_owned(),
        description: "The message was delivered as often as max_deliveries allows.".to_owned(),
    }
}

/// How long a delivery is locked from now on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Locked {
    pub(crate) duration: Duration,
    pub(crate) ends_at: Instant,
}

/// Whether the broker has no such operation, as opposed to refusing it.
fn is_not_offered(error: &TransportError) -> bool {
    matches!(error.kind(), Kind::Unsupported { .. })
}

#[async_trait]
impl Settler for LockSettler {
    async fn settle(&self, settlement: Settlement) -> Result<Certainty, TransportError> {
        self.check(&settlement)?;
        self.channel.hub.check_open()?;
        let delay = match &settlement {
            Settlement::Abandon { delay } => Some(*delay).filter(|delay| !delay.is_zero()),
            _ => None,
        };
        let outcome = Outcome::of(settlement)?;
        let outcome = match delay {
            Some(_) if self.is_spent() => Outcome::of(delivered_too_often())?,
            // The copy first: a crash in between leaves two messages and not none.
            Some(delay) => {
                self.hold_back(delay).await?;
                Outcome::Completed
            }
            None => outcome,
        };
        self.end(outcome).await
    }

    /// The broker renews a lock for the duration of the queue. More than that is refused; less
    /// gives the whole.
    async fn extend(&self, duration: Duration) -> Result<(), TransportError> {
        if duration.is_zero() {
            return Err(TransportError::invalid_input("duration", "must not be zero"));
        }
        if duration > self.lock {
            let reason = format!("a lock of this queue lasts {} ms", self.lock.as_millis());
            return Err(TransportError::invalid_input("duration", reason));
        }
        self.channel.hub.check_open()?;
        self.renew().await
    }
}

impl Drop for LockSettler {
    fn drop(&mut self) {
        let State { ends_at: lock_ends_at, is_settled, .. } = *self.state();
        if let (false, Some(delivery)) = (is_settled, self.delivery.take()) {
            let _ = self.channel.commands.send(Command::Abandoned { delivery, lock_ends_at });
        }
        self.channel.inbox.end_flight();
    }
}

/// The settler of a message that left the queue when it was handed out.
pub(crate) struct DeletedSettler;

impl DeletedSettler {
    fn nothing_to_settle() -> TransportError {
        TransportError::unsupported("servicebus, receive-and-delete", Feature::Settlement.name())
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
