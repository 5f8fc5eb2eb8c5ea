//! A transport that keeps every promise but one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use sealmq_queue_core::{
    Capabilities, DeliveryMetadata, Message, PeekedMessage, ReceiveMode, Receiver, ReceiverOptions,
    SendReport, SessionSelector, Source, Support, Transport, TransportError, TransportErrorKind,
};

use crate::receiver::{SabotagedReceiver, SabotagedSession};
use crate::sabotage::Sabotage;
use crate::sender::SabotagedSender;
use crate::settler::Link;
use crate::world::World;

pub(crate) struct SabotagedTransport {
    inner: Arc<dyn Transport>,
    world: Arc<World>,
    capabilities: Capabilities,
    through_proxy: bool,
    sender: SabotagedSender,
    closed: AtomicBool,
}

impl SabotagedTransport {
    /// A connection over `inner`, perhaps through the proxy.
    pub(crate) fn new(inner: Arc<dyn Transport>, world: &Arc<World>, through_proxy: bool) -> Self {
        let mut capabilities = inner.capabilities().clone();
        if let Sabotage::Undeclared(feature) = world.how {
            capabilities = capabilities.with(feature, Support::None);
        }
        let sender = SabotagedSender::new(&inner, world, through_proxy);
        let (world, closed) = (Arc::clone(world), AtomicBool::new(false));
        Self { inner, world, capabilities, through_proxy, sender, closed }
    }

    /// The source as the broker gets to see it.
    fn source(&self, source: &Source) -> Source {
        match source {
            Source::Queue(name) => Source::queue(self.world.address(name)),
            Source::DeadLetter(name) => Source::dead_letter(self.world.address(name)),
        }
    }

    fn wrap(
        &self,
        receiver: Box<dyn Receiver>,
        queue: String,
        options: &ReceiverOptions,
    ) -> Box<dyn Receiver> {
        let inner: Arc<dyn Receiver> = Arc::from(receiver);
        let link = Arc::new(Link {
            world: Arc::clone(&self.world),
            transport: Arc::clone(&self.inner),
            queue,
            through_proxy: self.through_proxy,
            closed: AtomicBool::new(false),
            receiving: tokio::sync::Mutex::default(),
        });
        let session = SabotagedSession { inner: Arc::clone(&inner), link: Arc::clone(&link) };
        Box::new(SabotagedReceiver {
            inner,
            link,
            prefetch: options.prefetch,
            buffer: Mutex::default(),
            may_receive: self.sender.has_sent(),
            session,
        })
    }
}

#[async_trait]
impl Transport for SabotagedTransport {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn send(&self, queue: &str, messages: Vec<Message>) -> SendReport {
        self.sender.send(queue, messages).await
    }

    async fn open(
        &self,
        source: &Source,
        options: ReceiverOptions,
    ) -> Result<Box<dyn Receiver>, TransportError> {
        self.world.reach_broker(self.through_proxy)?;
        let mut source = self.source(source);
        let queue = source.queue_name().to_owned();
        if self.world.is(Sabotage::TakesMissingQueuesForEmpty)
            && self.sender.is_missing(&queue).await
        {
            let first = self.world.queues.lock().unwrap().first().cloned();
            source = Source::queue(first.unwrap_or(queue.clone()));
        }
        let inner_options = match self.world.how {
            Sabotage::IgnoresReceiveMode => options.clone().with_mode(ReceiveMode::PeekLock),
            Sabotage::DeletesOnReceive | Sabotage::LosesCancelledReceives => {
                options.clone().with_mode(ReceiveMode::ReceiveAndDelete)
            }
            Sabotage::IgnoresLockOption => {
                ReceiverOptions::default().with_mode(options.mode).with_prefetch(options.prefetch)
            }
            _ => options.clone(),
        };
        let receiver = self.inner.open(&source, inner_options).await?;
        Ok(self.wrap(receiver, queue, &options))
    }

    async fn accept_session(
        &self,
        queue: &str,
        session: SessionSelector,
        wait: Duration,
        options: ReceiverOptions,
    ) -> Result<Option<Box<dyn Receiver>>, TransportError> {
        match (self.world.how, &session) {
            (Sabotage::NextFindsNothing, SessionSelector::Next) => return Ok(None),
            (Sabotage::AcceptsTooLong, _) => tokio::time::sleep(wait).await,
            _ => {}
        }
        let accepted = self.inner.accept_session(queue, session, wait, options.clone()).await;
        let receiver = match accepted {
            Err(error)
                if *error.kind() == TransportErrorKind::SessionLocked
                    && self.world.is(Sabotage::TakesLockedSessionForNone) =>
            {
                return Ok(None);
            }
            accepted => accepted?,
        };
        Ok(receiver.map(|receiver| self.wrap(receiver, queue.to_owned(), &options)))
    }

    async fn cancel_scheduled(&self, queue: &str, number: u64) -> Result<bool, TransportError> {
        match self.world.how {
            Sabotage::CancelsNothing => Ok(true),
            _ => self.inner.cancel_scheduled(queue, number).await,
        }
    }

    async fn peek(
        &self,
        source: &Source,
        from: u64,
        max: usize,
    ) -> Result<Vec<PeekedMessage>, TransportError> {
        match self.world.how {
            Sabotage::PeekLocks => {
                let reader = self.inner.open(source, ReceiverOptions::default()).await?;
                let batch = reader.recv(max, Duration::ZERO).await?;
                let peeked = batch.into_iter().map(|delivery| PeekedMessage {
                    metadata: delivery.receipt.metadata().clone(),
                    message: delivery.message,
                });
                Ok(peeked.collect())
            }
            Sabotage::PeekIgnoresFrom => self.inner.peek(source, 0, max).await,
            Sabotage::PeekSeesGhosts => {
                let metadata = DeliveryMetadata::new("ghost");
                Ok(vec![PeekedMessage { message: Message::new("ghost"), metadata }])
            }
            _ => self.inner.peek(source, from, max).await,
        }
    }

    async fn depth(&self, source: &Source) -> Result<u64, TransportError> {
        let depth = self.inner.depth(source).await?;
        Ok(if self.world.is(Sabotage::MiscountsDepth) { depth + 1 } else { depth })
    }

    async fn redrive(&self, queue: &str, max: usize) -> Result<usize, TransportError> {
        let copies = self.world.is(Sabotage::RedrivesCopies);
        if !copies && !self.world.is(Sabotage::RedrivesIntoDeduplication) {
            let everything = self.world.is(Sabotage::RedrivesEverything);
            return self.inner.redrive(queue, if everything { usize::MAX } else { max }).await;
        }
        let source = Source::dead_letter(queue);
        let reader = self.inner.open(&source, ReceiverOptions::default()).await?;
        let dead = reader.recv(max, Duration::ZERO).await?;
        let count = dead.len();
        for delivery in dead {
            self.inner.send(queue, vec![delivery.message]).await;
            let settled = match copies {
                true => delivery.receipt.abandon(Duration::ZERO).await,
                false => delivery.receipt.complete().await,
            };
            settled.map_err(|failed| failed.error)?;
        }
        Ok(count)
    }

    async fn health(&self) -> Result<(), TransportError> {
        self.world.reach_broker(self.through_proxy)?;
        self.inner.health().await
    }

    async fn close(&self) -> Result<(), TransportError> {
        let again = self.closed.swap(true, Ordering::Relaxed);
        match self.world.how {
            Sabotage::ClosesNothing => Ok(()),
            Sabotage::FailsSecondClose if again => Err(TransportError::closed("transport")),
            _ => self.inner.close().await,
        }
    }
}
