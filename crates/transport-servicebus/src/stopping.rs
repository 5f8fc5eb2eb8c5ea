//! The end of a receiver: nothing that was fetched stays locked, and a session is let go in time.

use fe2o3_amqp::types::messaging::Body;
use fe2o3_amqp::types::primitives::Value;
use fe2o3_amqp::{Delivery, Receiver};
use tokio::time::{Duration, timeout};

use crate::error;
use crate::management::Operation;
use crate::pump::{Pump, refuse};
use crate::receiving_link::ReceivingLink;

/// How long to wait for the broker to agree that a link ends.
const DETACH_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a round trip may take that makes sure that no more messages are on their way.
const ROUND_TRIP_TIMEOUT: Duration = Duration::from_secs(2);
/// Messages that came before the answer of a round trip may be read a little later.
const QUIET: Duration = Duration::from_millis(20);

impl Pump {
    /// Gives back what was not handed out, and detaches; from a session once all of its deliveries
    /// are settled, for they could not be afterwards.
    pub(crate) async fn stop(mut self, link: Option<ReceivingLink>) {
        self.inbox.close();
        let Some(mut link) = link else {
            let kept = self.inbox.take_while(|_| true).len();
            self.inbox.set_stopped(if kept == 0 || self.holds_session {
                Ok(())
            } else {
                let context = format!("release {kept} messages of {}", self.entity);
                Err(error::unavailable(context))
            });
            return self.refuse_the_rest();
        };
        let released = self.release_all(&mut link.receiver).await;
        if self.holds_session && self.inbox.is_in_flight() {
            self.inbox.set_stopped(released.clone());
            self.hold_while_in_flight(&mut link.receiver).await;
        }
        let ReceivingLink { receiver, mut session, .. } = link;
        self.inbox.set_unlinked();
        let detached = timeout(DETACH_TIMEOUT, receiver.close()).await;
        let _ = timeout(DETACH_TIMEOUT, session.end()).await;
        // A link that ended by itself took nothing along: its locks run out, or its session is free.
        drop(detached);
        self.inbox.set_stopped(released);
        self.refuse_the_rest();
    }

    async fn release_all(
        &mut self,
        receiver: &mut Receiver,
    ) -> Result<(), sealmq_queue_core::TransportError> {
        let mut on_their_way = Vec::new();
        if self.credit_is_outstanding(receiver) && receiver.drain().await.is_ok() {
            self.round_trip().await;
            while let Ok(Ok(delivery)) = timeout(QUIET, receiver.recv::<Body<Value>>()).await {
                on_their_way.push(delivery);
            }
        }
        for arrived in self.inbox.take_while(|_| true) {
            self.release(receiver, arrived).await;
        }
        for delivery in on_their_way {
            let released = receiver.release(&delivery).await;
            released.map_err(|error| {
                error::failed(error, &format!("release messages of {}", self.entity))
            })?;
        }
        Ok(())
    }

    /// A request whose answer comes after all messages that the broker had sent before it. AMQP has
    /// an answer to a drain for that, which the library keeps to itself.
    async fn round_trip(&self) {
        let nothing =
            vec![("from-sequence-number", Value::Long(i64::MAX)), ("message-count", Value::Int(1))];
        let peek = Operation::new("peek-message", nothing);
        let asked = self.hub.ask(&self.entity, &peek);
        let _ = timeout(ROUND_TRIP_TIMEOUT, asked).await; // without it some locks may run out
    }

    /// Serves what concerns deliveries that are in flight, until there is none.
    async fn hold_while_in_flight(&mut self, receiver: &mut Receiver) {
        let inbox = std::sync::Arc::clone(&self.inbox);
        let mut closing = self.hub.closing();
        if *closing.borrow_and_update() {
            return;
        }
        loop {
            tokio::select! {
                biased;
                _ = closing.changed() => return, // it changes once
                Some(command) = self.commands.recv() => self.obey(receiver, command).await,
                () = inbox.landed() => return,
                received = receiver.recv::<Body<Value>>() => {
                    let late: Delivery<Body<Value>> = match received {
                        Ok(late) => late,
                        Err(error) if error.recovery().link_is_usable() => continue,
                        Err(_) => return, // the session is lost
                    };
                    let _ = receiver.release(&late).await; // a dead link shows itself
                }
            }
        }
    }

    fn refuse_the_rest(&mut self) {
        self.commands.close();
        while let Ok(command) = self.commands.try_recv() {
            refuse(command);
        }
    }
}
