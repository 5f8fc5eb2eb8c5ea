//! Settling through the wrapper.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sealmq_queue_core::{
    Certainty, Message, Receipt, SettleError, Settlement, Settler, Transport, TransportError,
    TransportErrorKind,
};
use tokio::sync::Mutex;

use crate::sabotage::Sabotage;
use crate::world::World;

/// The broker's receipt for one delivery; gone once it was settled.
pub(crate) struct Hold(Mutex<Option<Receipt>>);

impl Hold {
    pub(crate) fn new(receipt: Receipt) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Some(receipt))))
    }

    async fn settle(&self, settlement: Settlement) -> Result<Certainty, TransportError> {
        let mut slot = self.0.lock().await;
        let receipt = slot.take().ok_or_else(|| TransportError::closed("receipt"))?;
        receipt.settle(settlement).await.map_err(|SettleError { error, receipt }| {
            *slot = Some(*receipt);
            error
        })
    }

    async fn extend(&self, duration: Duration) -> Result<(), TransportError> {
        match &*self.0.lock().await {
            Some(receipt) => receipt.extend(duration).await,
            None => Err(TransportError::closed("receipt")),
        }
    }
}

/// What a receiver and the settlers of its deliveries share.
pub(crate) struct Link {
    pub(crate) world: Arc<World>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) queue: String,
    pub(crate) through_proxy: bool,
    pub(crate) closed: AtomicBool,
    /// Held while a `recv` is pending, where settling waits for it.
    pub(crate) receiving: Mutex<()>,
}

pub(crate) struct SabotagedSettler {
    pub(crate) link: Arc<Link>,
    pub(crate) hold: Arc<Hold>,
    pub(crate) broker_id: String,
    pub(crate) message: Message,
    pub(crate) saw_outage: AtomicBool,
}

impl SabotagedSettler {
    /// Does to the settlement what the sabotage does before the broker hears of it.
    async fn tampered(&self, settlement: Settlement) -> Result<Settlement, TransportError> {
        let world = &self.link.world;
        Ok(match (world.how, settlement) {
            (Sabotage::IgnoresAbandonDelay, Settlement::Abandon { .. })
            | (Sabotage::AbandonsInsteadOfDeferring, Settlement::Defer) => {
                Settlement::Abandon { delay: Duration::ZERO }
            }
            (Sabotage::SendsRetriesToTheBack, Settlement::Abandon { delay }) => {
                let copy = self.message.clone().with_delay(delay);
                self.link.transport.send(&self.link.queue, vec![copy]).await;
                Settlement::Complete
            }
            (Sabotage::DropsDeadLetters, Settlement::DeadLetter { .. }) => Settlement::Complete,
            (_, Settlement::DeadLetter { .. })
                if world.dead_letters_broken.load(Ordering::Relaxed) =>
            {
                if world.is(Sabotage::CompletesBeforeMoving) {
                    self.hold.settle(Settlement::Complete).await?;
                }
                return Err(outage("dead-letter queue"));
            }
            (_, settlement) => settlement,
        })
    }
}

fn outage(what: &str) -> TransportError {
    TransportError::new(TransportErrorKind::Unavailable, what)
}

#[async_trait]
impl Settler for SabotagedSettler {
    async fn settle(&self, settlement: Settlement) -> Result<Certainty, TransportError> {
        let Link { world, through_proxy, closed, receiving, .. } = &*self.link;
        let confirmed = Ok(Certainty::Confirmed);
        if let Err(error) = world.reach_broker(*through_proxy) {
            self.saw_outage.store(true, Ordering::Relaxed);
            return if world.is(Sabotage::ConfirmsWhileDown) { confirmed } else { Err(error) };
        }
        match (world.how, &settlement) {
            (Sabotage::CompletesNothing, Settlement::Complete)
            | (Sabotage::AbandonsNothing, Settlement::Abandon { .. })
            | (Sabotage::DeletesOnReceive | Sabotage::LosesCancelledReceives, _) => {
                return confirmed;
            }
            (Sabotage::ForgetsReceiptsOnClose, _) if closed.load(Ordering::Relaxed) => {
                return Err(TransportError::closed("receiver"));
            }
            (Sabotage::GivesUpReceiptAfterOutage, _) if self.saw_outage.load(Ordering::Relaxed) => {
                return Err(TransportError::closed("receipt"));
            }
            _ => {}
        }
        let _turn = match world.how {
            Sabotage::SettlesBehindReceive => Some(receiving.lock().await),
            _ => None,
        };
        let settlement = self.tampered(settlement).await?;
        let outcome = self.hold.settle(settlement.clone()).await;
        let lost = matches!(&outcome, Err(e) if *e.kind() == TransportErrorKind::LockLost);
        match world.how {
            Sabotage::ClaimsOtherCertainty => outcome.map(|_| Certainty::Sent),
            Sabotage::ConfirmsLostLock if lost => confirmed,
            Sabotage::TakesLostLockForOutage if lost => Err(outage("somehow")),
            Sabotage::LetsStaleHolderSettle if lost => {
                let holder = world.holds.lock().unwrap().get(&self.broker_id).cloned();
                match holder {
                    Some(holder) => holder.settle(settlement).await,
                    None => outcome,
                }
            }
            _ => outcome,
        }
    }

    async fn extend(&self, duration: Duration) -> Result<(), TransportError> {
        let Link { world, through_proxy, .. } = &*self.link;
        world.reach_broker(*through_proxy)?;
        match world.how {
            Sabotage::ExtendsNothing => Ok(()),
            Sabotage::ExtendsWithoutLimit => {
                let max = self.link.transport.capabilities().limits.max_lock;
                self.hold.extend(duration.min(max)).await
            }
            _ => self.hold.extend(duration).await,
        }
    }
}
