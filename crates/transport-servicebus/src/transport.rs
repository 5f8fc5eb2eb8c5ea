//! The transport: one namespace of Azure Service Bus.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sealmq_queue_core::{
    Capabilities, Feature, Message, PeekedMessage, Receiver, ReceiverOptions, SendReport,
    SessionSelector, Source, Transport, TransportError,
};

use crate::browse;
use crate::capabilities::NAME;
use crate::config::ServiceBusConfig;
use crate::entity::Entity;
use crate::hub::Hub;
use crate::open;
use crate::redrive;
use crate::sender;

/// A namespace of Azure Service Bus, over AMQP 1.0. Clones are the same connection.
///
/// A queue is addressed by its name, a topic (to send to) by its name, a subscription (to receive
/// from) as `topic/Subscriptions/name`.
///
/// # Contract
/// - At least once, confirmed: each settlement is a request that the broker answers
///   (`update-disposition`), so one that comes after the lock was lost fails with `LockLost`, on
///   whatever connection. Where a broker does not offer the request, the link settles and the
///   result is `Sent`.
/// - There is one connection. It is opened at the first use and replaced when it is lost, with
///   jittered pauses where nobody waits for it; receivers get new links, tokens are put anew
///   before they expire. None of it shows but by redeliveries. What the broker may have seen is
///   never sent twice: it fails with `Unavailable`, and the caller retries.
/// - A settlement whose answer was lost fails with `Unavailable`, too. If the broker had applied it,
///   settling again fails with `LockLost`, which does not mean then that the message comes again.
/// - Copies stand in for what the broker cannot do: an abandoned message with a delay, and a dead
///   letter that is moved back. The copy comes first, so a crash leaves two and not none. It keeps
///   the message's id; the broker knows it by another, or a queue would drop it as a duplicate.
///   In a queue of sessions, a message that is abandoned with a delay comes after those behind it.
/// - A message that is received and deleted is locked and completed right before it is handed out.
/// - All calls may be made from several tasks and are cancel-safe.
///
/// What is not here: the depth of a queue and creating entities, which the service offers over HTTP
/// only, AMQP over WebSockets, transactions and subscription rules.
#[derive(Clone)]
pub struct ServiceBusTransport {
    hub: Arc<Hub>,
}

impl ServiceBusTransport {
    /// A transport with these settings. Nothing is connected before the first use;
    /// [`Transport::health`] connects and shows whether the credential is taken.
    ///
    /// # Errors
    /// `InvalidInput` names the setting that is not acceptable.
    pub fn new(config: ServiceBusConfig) -> Result<Self, TransportError> {
        Ok(Self { hub: Hub::new(config)? })
    }

    fn require(&self, feature: Feature) -> Result<(), TransportError> {
        self.hub.capabilities.require(feature)
    }

    /// The entity of a source, of a connection that is open.
    fn entity(&self, source: &Source) -> Result<Entity, TransportError> {
        self.hub.check_open()?;
        Entity::of_source(source)
    }
}

#[async_trait]
impl Transport for ServiceBusTransport {
    fn capabilities(&self) -> &Capabilities {
        &self.hub.capabilities
    }

    async fn send(&self, queue: &str, messages: Vec<Message>) -> SendReport {
        sender::send(&self.hub, queue, messages).await
    }

    async fn open(
        &self,
        source: &Source,
        options: ReceiverOptions,
    ) -> Result<Box<dyn Receiver>, TransportError> {
        open::check(&options)?;
        let entity = self.entity(source)?;
        let receiver = open::open(&self.hub, &entity, options.mode, options.prefetch).await?;
        Ok(Box::new(receiver))
    }

    async fn accept_session(
        &self,
        queue: &str,
        session: SessionSelector,
        wait: Duration,
        options: ReceiverOptions,
    ) -> Result<Option<Box<dyn Receiver>>, TransportError> {
        open::check(&options)?;
        let entity = self.entity(&Source::queue(queue))?;
        let accepted = open::accept_session(&self.hub, &entity, session, wait, &options).await?;
        Ok(accepted.map(|receiver| Box::new(receiver) as Box<dyn Receiver>))
    }

    async fn cancel_scheduled(
        &self,
        queue: &str,
        sequence_number: u64,
    ) -> Result<bool, TransportError> {
        let entity = self.entity(&Source::queue(queue))?;
        browse::cancel_scheduled(&self.hub, &entity, sequence_number).await
    }

    async fn peek(
        &self,
        source: &Source,
        from: u64,
        max: usize,
    ) -> Result<Vec<PeekedMessage>, TransportError> {
        browse::peek(&self.hub, &self.entity(source)?, from, max).await
    }

    async fn depth(&self, _source: &Source) -> Result<u64, TransportError> {
        self.require(Feature::Depth).map(|()| 0)
    }

    async fn redrive(&self, queue: &str, max: usize) -> Result<usize, TransportError> {
        let entity = self.entity(&Source::queue(queue))?;
        if entity.is_subscription() {
            // Nothing can be sent to a subscription, and the topic would copy it to all of them.
            return Err(TransportError::unsupported(NAME, Feature::Redrive.name()));
        }
        redrive::redrive(&self.hub, &entity, max).await
    }

    async fn health(&self) -> Result<(), TransportError> {
        self.hub.health().await
    }

    async fn close(&self) -> Result<(), TransportError> {
        self.hub.close().await
    }
}

impl fmt::Debug for ServiceBusTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceBusTransport")
            .field("config", &self.hub.config)
            .field("closed", &self.hub.check_open().is_err())
            .finish()
    }
}
