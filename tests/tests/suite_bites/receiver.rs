//! Receiving through the wrapper.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use sealmq_queue_core::{
    Bytes, Certainty, Delivery, Receipt, Receiver, Session, SettleError, Settlement,
    TransportError, TransportErrorKind, new_message_id,
};

use crate::sabotage::Sabotage;
use crate::settler::{Hold, Link, SabotagedSettler};

pub(crate) struct SabotagedReceiver {
    pub(crate) inner: Arc<dyn Receiver>,
    pub(crate) link: Arc<Link>,
    pub(crate) prefetch: usize,
    pub(crate) buffer: Mutex<VecDeque<Delivery>>,
    /// Whether its connection has sent before, for the adapter that needs it to.
    pub(crate) may_receive: bool,
    pub(crate) session: SabotagedSession,
}

impl SabotagedReceiver {
    async fn fetch(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, TransportError> {
        match self.link.world.how {
            Sabotage::IgnoresWait => self.inner.recv(max, Duration::ZERO).await,
            Sabotage::LooksOnceThenWaits => {
                let batch = self.inner.recv(max, Duration::ZERO).await?;
                if batch.is_empty() {
                    tokio::time::sleep(wait).await;
                }
                Ok(batch)
            }
            Sabotage::WaitsForFullBatch => {
                let mut batch = self.inner.recv(max, wait).await?;
                while batch.len() < max && !wait.is_zero() {
                    let more = self.inner.recv(max - batch.len(), wait).await?;
                    if more.is_empty() {
                        break;
                    }
                    batch.extend(more);
                }
                Ok(batch)
            }
            Sabotage::ReturnsMoreThanMax => self.inner.recv(max + 5, wait).await,
            Sabotage::NeedsToHaveSent if !self.may_receive => {
                tokio::time::sleep(wait).await;
                Ok(Vec::new())
            }
            Sabotage::PrefetchesBlindly if self.prefetch > 0 => {
                if self.buffer.lock().unwrap().is_empty() {
                    let ahead = self.inner.recv(max.max(self.prefetch), wait).await?;
                    self.buffer.lock().unwrap().extend(ahead);
                }
                let mut buffer = self.buffer.lock().unwrap();
                let count = max.min(buffer.len());
                Ok(buffer.drain(..count).collect())
            }
            Sabotage::LosesCancelledReceives => {
                let batch = self.inner.recv(max, wait).await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
                Ok(batch)
            }
            Sabotage::SettlesBehindReceive => {
                let _receiving = self.link.receiving.lock().await;
                self.inner.recv(max, wait).await
            }
            _ => self.inner.recv(max, wait).await,
        }
    }

    fn wrap(&self, delivery: Delivery) -> Delivery {
        let Delivery { mut message, receipt } = delivery;
        let world = &self.link.world;
        let original = message.clone();
        let mut metadata = receipt.metadata().clone();
        let broker_id = metadata.broker_id.clone();
        let redelivered = metadata.delivery_count > 1;
        match world.how {
            Sabotage::MisstatesLockDuration => {
                metadata.lock_duration = metadata.lock_duration.map(|lock| lock * 2);
            }
            Sabotage::CountsAlwaysOne => metadata.delivery_count = 1,
            Sabotage::CountsFromZero => metadata.delivery_count -= 1,
            Sabotage::GivesFreshIds if redelivered => message.id = new_message_id(),
            Sabotage::GivesFreshBrokerIds => metadata.broker_id = world.fresh().to_string(),
            Sabotage::LosesReason => {
                if let Some(info) = &mut metadata.dead_letter {
                    info.reason = None;
                }
            }
            Sabotage::LosesAttributesOfDeadLetters if metadata.dead_letter.is_some() => {
                message.attributes.clear();
            }
            // What was made unique on the way in is made equal again on the way out.
            Sabotage::IgnoresMessageId | Sabotage::DeduplicatesByBody => {
                if let Some(id) = message.attributes.remove("id") {
                    message.id = id;
                }
            }
            _ => {}
        }
        let hold = Hold::new(receipt);
        world.holds.lock().unwrap().insert(broker_id.clone(), Arc::clone(&hold));
        let settler = SabotagedSettler {
            link: Arc::clone(&self.link),
            hold,
            broker_id,
            message: original,
            saw_outage: AtomicBool::new(false),
        };
        Delivery { message, receipt: Receipt::new(metadata, Box::new(settler)) }
    }
}

#[async_trait]
impl Receiver for SabotagedReceiver {
    async fn recv(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, TransportError> {
        let Link { world, through_proxy, .. } = &*self.link;
        world.reach_broker(*through_proxy)?;
        let batch = self.fetch(max, wait).await?;
        world.reach_broker(*through_proxy)?; // what came meanwhile comes again after its lock
        Ok(batch.into_iter().map(|delivery| self.wrap(delivery)).collect())
    }

    async fn recv_deferred(&self, number: u64) -> Result<Option<Delivery>, TransportError> {
        let deferred = self.inner.recv_deferred(number).await?;
        Ok(deferred.map(|delivery| self.wrap(delivery)))
    }

    async fn settle_batch(
        &self,
        settlements: Vec<(Receipt, Settlement)>,
    ) -> Vec<Result<Certainty, SettleError>> {
        let mut results = Vec::with_capacity(settlements.len());
        for (receipt, settlement) in settlements {
            results.push(receipt.settle(settlement).await);
        }
        if self.link.world.is(Sabotage::ReversesSettlementResults) {
            results.reverse();
        }
        results
    }

    fn session(&self) -> Option<&dyn Session> {
        self.inner.session()?;
        Some(&self.session)
    }

    async fn close(&self) -> Result<(), TransportError> {
        let again = self.link.closed.swap(true, Ordering::Relaxed);
        match self.link.world.how {
            Sabotage::ClosesNothing => Ok(()),
            Sabotage::FailsSecondClose if again => Err(TransportError::closed("receiver")),
            _ => self.inner.close().await,
        }
    }
}

/// The session that a receiver holds.
pub(crate) struct SabotagedSession {
    pub(crate) inner: Arc<dyn Receiver>,
    pub(crate) link: Arc<Link>,
}

impl SabotagedSession {
    fn session(&self) -> Result<&dyn Session, TransportError> {
        let lost = || TransportError::new(TransportErrorKind::LockLost, "session");
        self.inner.session().ok_or_else(lost)
    }
}

#[async_trait]
impl Session for SabotagedSession {
    fn id(&self) -> &str {
        self.inner.session().map_or("", Session::id)
    }

    fn lock_duration(&self) -> Duration {
        self.inner.session().map_or(Duration::ZERO, Session::lock_duration)
    }

    async fn renew(&self) -> Result<(), TransportError> {
        match self.link.world.how {
            Sabotage::RenewsNothing => Ok(()),
            _ => self.session()?.renew().await,
        }
    }

    async fn state(&self) -> Result<Option<Bytes>, TransportError> {
        match self.link.world.how {
            Sabotage::LosesSessionState => Ok(None),
            _ => self.session()?.state().await,
        }
    }

    async fn set_state(&self, state: Option<Bytes>) -> Result<(), TransportError> {
        self.session()?.set_state(state).await
    }
}
