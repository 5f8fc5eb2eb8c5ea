//! The task behind a receiver: it owns the link, asks for as many messages as there is room for,
//! and gets another link when one is lost.

use std::sync::Arc;

use fe2o3_amqp::link::delivery::DeliveryInfo;
use fe2o3_amqp::link::{RecvError, receiver::TerminalDeliveryState};
use fe2o3_amqp::types::messaging::{Body, Released};
use fe2o3_amqp::types::primitives::Value;
use fe2o3_amqp::{Delivery, Receiver};
use futures_util::FutureExt;
use sealmq_queue_core::TransportError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::arrived::Arrived;
use crate::credit::{Credit, Step};
use crate::entity::Entity;
use crate::error;
use crate::forgetting::Forgetting;
use crate::hub::Hub;
use crate::inbox::Inbox;
use crate::lock_time;
use crate::outcome;
use crate::receiving_link::ReceivingLink;
use crate::wire::{self, LockToken};

/// What the task is asked to do on the link.
#[derive(Debug)]
pub(crate) enum Command {
    /// The delivery was settled by a request: the link can forget it.
    Forget { delivery: LinkDelivery, outcome: TerminalDeliveryState },
    /// Nobody will settle the delivery; its lock has run out at this time.
    Abandoned { delivery: LinkDelivery, lock_ends_at: Instant },
    /// Settle on the link, where the broker does not do it on request. The answer says whether it
    /// was sent.
    Settle { delivery: LinkDelivery, outcome: TerminalDeliveryState, sent: oneshot::Sender<bool> },
}

/// A delivery as a link knows it.
#[derive(Debug, Clone)]
pub(crate) struct LinkDelivery {
    pub(crate) info: DeliveryInfo,
    pub(crate) epoch: u64,
}

/// Why the task stopped serving a link.
enum End {
    Closing,
    Lost(TransportError),
}

pub(crate) struct Pump {
    pub(crate) hub: Arc<Hub>,
    pub(crate) entity: Entity,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    pub(crate) prefetch: usize,
    /// Whether the link holds a session: then it is lost with the link.
    pub(crate) holds_session: bool,
    pub(crate) closing: watch::Receiver<bool>,
    epoch: u64,
    credit: Credit,
    forgetting: Forgetting,
    /// Says that the receiver has not stopped, until it is dropped.
    _at_work: mpsc::Sender<()>,
}

impl Pump {
    pub(crate) fn new(
        hub: Arc<Hub>,
        entity: Entity,
        inbox: Arc<Inbox>,
        commands: mpsc::UnboundedReceiver<Command>,
        prefetch: usize,
        holds_session: bool,
    ) -> Result<Self, TransportError> {
        Ok(Self {
            closing: hub.closing(),
            _at_work: hub.begin_work()?,
            hub,
            entity,
            inbox,
            commands,
            prefetch,
            holds_session,
            epoch: 0,
            credit: Credit::default(),
            forgetting: Forgetting::default(),
        })
    }

    /// Serves links until the receiver is closed.
    pub(crate) async fn run(mut self, first: ReceivingLink) {
        let mut link = Some(first);
        loop {
            let error = match link.take() {
                Some(mut attached) => {
                    self.begin(&attached);
                    match self.serve(&mut attached.receiver).await {
                        End::Closing => return self.stop(Some(attached)).await,
                        End::Lost(error) => error,
                    }
                }
                None => return self.stop(None).await,
            };
            tracing::debug!(%error, entity = %self.entity, "a receiving link was lost");
            self.inbox.set_unlinked();
            if self.holds_session {
                let lost = error::lock_lost(format!("session of {}", self.entity));
                self.inbox.set_ended(lost.with_source(error));
                self.wait_for_close().await;
            } else {
                let context = format!("receive from {}", self.entity);
                self.inbox.set_trouble(error::link_ended(error, &context));
                link = self.reattach().await;
            }
        }
    }

    fn begin(&mut self, link: &ReceivingLink) {
        self.epoch += 1;
        self.credit = Credit::default();
        self.forgetting = Forgetting::default();
        self.inbox.set_linked(link.name.clone());
    }

    async fn serve(&mut self, receiver: &mut Receiver) -> End {
        loop {
            if self.inbox.is_closed() || *self.closing.borrow() {
                return End::Closing;
            }
            if let Err(error) = self.ask(receiver).await {
                return End::Lost(error);
            }
            let wake_at = self.wake_at();
            tokio::select! {
                biased;
                _ = self.closing.changed() => {}
                Some(command) = self.commands.recv() => self.obey(receiver, command).await,
                received = receiver.recv::<Body<Value>>() => {
                    if let Err(error) = self.take(receiver, received).await {
                        return End::Lost(error);
                    }
                }
                () = self.inbox.demanded() => {}
                () = sleep_until(wake_at) => self.tidy(receiver).await,
            }
        }
    }

    /// Gives the broker as much credit as there is room, or takes it back.
    async fn ask(&mut self, receiver: &mut Receiver) -> Result<(), TransportError> {
        let demand = self.inbox.demand();
        let step = self.credit.step(demand, self.prefetch, receiver.credit() as usize);
        let done = match step {
            Step::Nothing => Ok(()),
            Step::Give(credit) => {
                receiver.set_credit(u32::try_from(credit).unwrap_or(u32::MAX)).await
            }
            Step::Drain => receiver.drain().await,
        };
        done.map_err(|error| error::failed(error, &format!("receive from {}", self.entity)))
    }

    fn wake_at(&self) -> Instant {
        let demand = self.inbox.demand();
        let times = [
            self.credit.due_at(demand),
            self.credit.release_at(demand, self.prefetch, self.holds_session),
            self.forgetting.due_at(),
        ];
        let far_away = Instant::now() + std::time::Duration::from_secs(3_600);
        times.into_iter().flatten().fold(far_away, Instant::min)
    }

    /// Gives back what nobody came for in time, and forgets what nobody will settle.
    async fn tidy(&mut self, receiver: &mut Receiver) {
        let (demand, now) = (self.inbox.demand(), Instant::now());
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(self.credit.release_at(demand, self.prefetch, self.holds_session)) {
            let all = self.credit.is_unclaimed(demand, self.prefetch);
            let stale = |arrived: &Arrived| {
                all || Credit::stale_at(arrived.received_at, arrived.lock) <= now
            };
            for arrived in self.inbox.take_while(stale) {
                self.release(receiver, arrived).await;
            }
        }
        for info in self.forgetting.due(now) {
            let _ = receiver.dispose(info, Released {}).await; // its lock has run out
        }
    }

    pub(crate) fn credit_is_outstanding(&self, receiver: &Receiver) -> bool {
        self.credit.is_outstanding(receiver.credit() as usize)
    }

    /// Makes a message receivable again. One of a link that is gone comes when its lock ends.
    pub(crate) async fn release(&self, receiver: &Receiver, arrived: Arrived) {
        if arrived.epoch == self.epoch {
            let _ = receiver.dispose(arrived.info, Released {}).await; // a dead link shows itself
        }
    }

    pub(crate) async fn obey(&mut self, receiver: &Receiver, command: Command) {
        match command {
            Command::Forget { delivery, outcome } if delivery.epoch == self.epoch => {
                let _ = receiver.dispose(delivery.info, outcome).await;
            }
            Command::Abandoned { delivery, lock_ends_at } if delivery.epoch == self.epoch => {
                self.forgetting.add(lock_ends_at, delivery.info);
            }
            Command::Settle { delivery, outcome, sent } => {
                let is_ours = delivery.epoch == self.epoch;
                let done = is_ours && receiver.dispose(delivery.info, outcome).await.is_ok();
                let _ = sent.send(done);
            }
            Command::Forget { .. } | Command::Abandoned { .. } => {}
        }
    }

    /// Takes a message, and all that have come with it.
    async fn take(
        &mut self,
        receiver: &mut Receiver,
        received: Result<Delivery<Body<Value>>, RecvError>,
    ) -> Result<(), TransportError> {
        let mut arrived = Vec::new();
        let mut next = Some(received);
        let mut outcome = Ok(());
        while let Some(received) = next.take() {
            match received {
                Ok(delivery) => arrived.push(self.read(delivery)),
                Err(RecvError::MessageDecode(unreadable)) => {
                    tracing::warn!(entity = %self.entity, "a message that is no AMQP is dead-lettered");
                    let unreadable = receiver.dispose(unreadable.info, outcome::unreadable()).await;
                    let _ = unreadable; // a dead link shows itself
                }
                Err(error) => {
                    let context = format!("receive from {}", self.entity);
                    outcome = Err(error::failed(error, &context));
                    break;
                }
            }
            next = receiver.recv::<Body<Value>>().now_or_never();
        }
        self.inbox.push(arrived);
        outcome
    }

    fn read(&self, delivery: Delivery<Body<Value>>) -> Arrived {
        let (info, message) = delivery.into_parts();
        let incoming = wire::decode(message, self.entity.is_dead_letter());
        let tag = LockToken::from_delivery_tag(info.delivery_tag());
        Arrived {
            token: tag.or_else(|| incoming.broker.lock_token.clone()),
            lock: lock_time::from_now_until(incoming.broker.locked_until),
            received_at: Instant::now(),
            epoch: self.epoch,
            perhaps_removed: false,
            incoming,
            info,
        }
    }
}

/// Answers a command that there is no link for.
pub(crate) fn refuse(command: Command) {
    if let Command::Settle { sent, .. } = command {
        let _ = sent.send(false);
    }
}
