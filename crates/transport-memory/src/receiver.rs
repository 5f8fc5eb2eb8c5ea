//! Receiving from a queue, a dead-letter queue or a held session.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sealmq_queue_core::{Delivery, Feature, Receipt, Receiver, Session, TransportError};
use tokio::task::coop::consume_budget;

use crate::channel::Channel;
use crate::held_session::HeldSession;
use crate::settler::{DeletedSettler, LockSettler};
use crate::store::{HandOut, Taken};

pub(crate) struct MemoryReceiver {
    channel: Arc<Channel>,
    how: HandOut,
    session: Option<HeldSession>,
    closed: AtomicBool,
}

impl MemoryReceiver {
    pub(crate) fn new(channel: Arc<Channel>, how: HandOut, session: Option<HeldSession>) -> Self {
        Self { channel, how, session, closed: AtomicBool::new(false) }
    }

    fn check_open(&self) -> Result<(), TransportError> {
        self.channel.connection.check_open()?;
        if self.closed.load(Ordering::Acquire) {
            let what = format!("receiver of queue {}", self.channel.queue.name);
            return Err(TransportError::closed(&what));
        }
        Ok(())
    }

    fn session_lost(&self) -> TransportError {
        self.channel.lock_lost("session")
    }

    fn delivery(&self, taken: Taken) -> Delivery {
        let channel = &self.channel;
        let mut metadata = channel.queue.metadata(
            channel.side,
            taken.key.message.sequence,
            taken.deliveries,
            taken.enqueued_at,
        );
        metadata.lock_duration = taken.lock;
        metadata.dead_letter = taken.dead_letter.map(|info| *info);
        let receipt = match taken.lock {
            Some(_) => {
                let settler = LockSettler::new(Arc::clone(channel), taken.key);
                Receipt::new(metadata, Box::new(settler))
            }
            None => Receipt::new(metadata, Box::new(DeletedSettler)),
        };
        Delivery { message: taken.message, receipt }
    }
}

#[async_trait]
impl Receiver for MemoryReceiver {
    async fn recv(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, TransportError> {
        // Nothing else here yields while messages are there: a busy loop must not starve others.
        consume_budget().await;
        let Channel { queue, side, .. } = &*self.channel;
        let wait = if max == 0 { Duration::ZERO } else { wait };
        let taken = queue.wait_for(*side, wait, |state, now| {
            self.check_open()?;
            let taken = state.side(*side).take(max, self.how, now);
            let taken = taken.map_err(|_| self.session_lost())?;
            Ok((!taken.is_empty()).then_some(taken))
        });
        let taken = taken.await?.unwrap_or_default();
        Ok(taken.into_iter().map(|t| self.delivery(t)).collect())
    }

    async fn recv_deferred(
        &self,
        sequence_number: u64,
    ) -> Result<Option<Delivery>, TransportError> {
        let Channel { connection, queue, side } = &*self.channel;
        connection.broker.capabilities.require(Feature::Defer)?;
        self.check_open()?;
        let taken = queue.with(|state, now| {
            let store = state.side(*side);
            store.take_deferred(sequence_number, self.how, now)
        });
        let taken = taken.map_err(|_| self.session_lost())?;
        Ok(taken.map(|taken| self.delivery(taken)))
    }

    fn session(&self) -> Option<&dyn Session> {
        self.session.as_ref().map(|session| session as &dyn Session)
    }

    async fn close(&self) -> Result<(), TransportError> {
        if !self.closed.swap(true, Ordering::AcqRel) {
            if let Some(session) = &self.session {
                session.let_go();
            }
            self.channel.queue.wake_all();
        }
        Ok(())
    }
}
