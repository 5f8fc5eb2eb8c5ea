//! Receiving from an entity or a session.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use sealmq_queue_core::{
    Certainty, Delivery, Receipt, ReceiveMode, Receiver, Session, SettleError, Settlement,
    TransportError,
};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::arrived::Arrived;
use crate::channel::Channel;
use crate::deferred;
use crate::entity::Entity;
use crate::hub::Hub;
use crate::inbox::Inbox;
use crate::pump::{LinkDelivery, Pump};
use crate::receiving_link::{HeldSession, ReceivingLink};
use crate::session::ServiceBusSession;
use crate::settler::{DeletedSettler, LockSettler, Locked};

pub(crate) struct ServiceBusReceiver {
    channel: Arc<Channel>,
    mode: ReceiveMode,
    session: Option<ServiceBusSession>,
}

impl ServiceBusReceiver {
    /// A receiver on a link that is attached.
    pub(crate) fn start(
        hub: &Arc<Hub>,
        entity: Entity,
        link: ReceivingLink,
        session: Option<HeldSession>,
        mode: ReceiveMode,
        prefetch: usize,
    ) -> Result<Self, TransportError> {
        let inbox = Arc::new(Inbox::new(format!("receiver of {entity}")));
        inbox.set_linked(link.name.clone());
        let (commands, queue) = mpsc::unbounded_channel();
        let pump = Pump::new(
            Arc::clone(hub),
            entity.clone(),
            Arc::clone(&inbox),
            queue,
            prefetch,
            session.is_some(),
        )?;
        tokio::spawn(pump.run(link));
        let hub = Arc::clone(hub);
        let channel = Arc::new(Channel { hub, entity, inbox, commands, session });
        let session = ServiceBusSession::of(&channel);
        Ok(Self { channel, mode, session })
    }

    /// Messages as they came, locked.
    pub(crate) async fn next(
        &self,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Arrived>, TransportError> {
        self.channel.hub.check_open()?;
        let arrived = self.channel.inbox.next(max, wait).await;
        // Closing the connection closes the receiver: what ended is the connection.
        arrived.or_else(|error| self.channel.hub.check_open().and(Err(error)))
    }

    pub(crate) fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    /// The settler of a message, and how long it is locked from now on.
    pub(crate) fn delivery(&self, arrived: Arrived) -> Delivery {
        let lock = match &self.channel.session {
            Some(session) => session.lock,
            None => arrived.lock_left(),
        };
        let locked = Locked { duration: lock, ends_at: Instant::now() + lock };
        let Arrived { incoming, info, epoch, token, .. } = arrived;
        let metadata = incoming.broker.metadata(Some(lock));
        let delivery = Some(LinkDelivery { info, epoch });
        let settler = LockSettler::new(
            Arc::clone(&self.channel),
            delivery,
            token,
            locked,
            incoming.broker,
            incoming.original,
        );
        let receipt = Receipt::new(metadata, Box::new(settler));
        Delivery { message: incoming.message, receipt }
    }
}

/// A message that left the queue.
pub(crate) fn deleted(arrived: Arrived) -> Delivery {
    let metadata = arrived.incoming.broker.metadata(None);
    let receipt = Receipt::new(metadata, Box::new(DeletedSettler));
    Delivery { message: arrived.incoming.message, receipt }
}

#[async_trait]
impl Receiver for ServiceBusReceiver {
    async fn recv(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, TransportError> {
        match self.mode {
            ReceiveMode::PeekLock => {
                let arrived = self.next(max, wait).await?;
                Ok(arrived.into_iter().map(|arrived| self.delivery(arrived)).collect())
            }
            ReceiveMode::ReceiveAndDelete => self.recv_and_remove(max, wait).await,
        }
    }

    async fn recv_deferred(
        &self,
        sequence_number: u64,
    ) -> Result<Option<Delivery>, TransportError> {
        self.channel.hub.check_open()?;
        self.channel.inbox.check()?;
        deferred::receive(&self.channel, sequence_number, self.mode).await
    }

    /// All at once: each is a request of its own, and their answers come as they come.
    async fn settle_batch(
        &self,
        settlements: Vec<(Receipt, Settlement)>,
    ) -> Vec<Result<Certainty, SettleError>> {
        join_all(settlements.into_iter().map(|(receipt, how)| receipt.settle(how))).await
    }

    fn session(&self) -> Option<&dyn Session> {
        self.session.as_ref().map(|session| session as &dyn Session)
    }

    async fn close(&self) -> Result<(), TransportError> {
        self.channel.inbox.close();
        self.channel.inbox.stopped().await
    }
}

impl Drop for ServiceBusReceiver {
    fn drop(&mut self) {
        self.channel.inbox.close();
    }
}
