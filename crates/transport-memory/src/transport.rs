//! The transport: a connection to the broker in this process.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use sealmq_queue_core::{
    Capabilities, Feature, Message, PeekedMessage, ReceiveMode, Receiver, ReceiverOptions,
    SendReport, SessionSelector, Source, Transport, TransportError,
};
use tokio::task::coop::consume_budget;

use crate::broker::{Broker, Connection};
use crate::channel::Channel;
use crate::clock::MemoryClock;
use crate::config::{QueueKind, QueueSettings, check_lock_duration};
use crate::held_session::HeldSession;
use crate::queue::Side;
use crate::receiver::MemoryReceiver;
use crate::sender;
use crate::shared_queue::Queue;
use crate::store::HandOut;
use crate::tap::{self, StoredMessage};

/// A connection to an in-memory broker.
///
/// # Contract
/// - At least once, confirmed: a settlement that returns `Ok` has happened, one that comes after
///   the lock was lost fails with `LockLost` and has no effect, whoever holds the message now.
/// - Clones are the same connection. [`MemoryTransport::connect_again`] is another connection to
///   the same broker; what one sends the other receives, and closing one leaves the other open.
/// - Messages live as long as a connection does, in memory only.
/// - All calls may be made from several tasks and are cancel-safe.
#[derive(Clone)]
pub struct MemoryTransport {
    connection: Arc<Connection>,
}

impl MemoryTransport {
    pub(crate) fn connect(broker: Arc<Broker>) -> Self {
        let connection = Arc::new(Connection::new(broker));
        Self { connection }
    }

    /// Another connection to the same broker, open even if this one is closed.
    #[must_use]
    pub fn connect_again(&self) -> Self {
        Self::connect(Arc::clone(&self.connection.broker))
    }

    /// Creates a queue. Repeating it with the same settings is fine.
    ///
    /// # Errors
    /// `InvalidInput` names the setting that is not acceptable, or `queue` if it exists with other
    /// settings; `Unsupported` if it needs a feature that was taken away; `Closed`.
    pub fn create_queue(&self, name: &str, settings: QueueSettings) -> Result<(), TransportError> {
        self.connection.check_open()?;
        self.connection.broker.create_queue(name, settings)?;
        Ok(())
    }

    /// The clock the broker runs by.
    pub fn clock(&self) -> &MemoryClock {
        &self.connection.broker.clock
    }

    /// All messages that are stored in a queue and its dead-letter queue, locked ones included:
    /// what an observer of the broker can read. Changes nothing, and works on a closed connection.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn tap(&self, queue: &str) -> Result<Vec<StoredMessage>, TransportError> {
        Ok(tap::messages(&*self.connection.broker.queue(queue)?))
    }

    /// The state blobs of a queue's sessions, by session id, as an observer of the broker can
    /// read them.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn tap_session_states(&self, queue: &str) -> Result<Vec<(String, Bytes)>, TransportError> {
        Ok(tap::session_states(&*self.connection.broker.queue(queue)?))
    }

    fn require(&self, feature: Feature) -> Result<(), TransportError> {
        self.capabilities().require(feature)
    }

    /// The queue and the side of it that a source names.
    fn channel(&self, source: &Source) -> Result<Arc<Channel>, TransportError> {
        let side = match source {
            Source::Queue(_) => Side::Main,
            Source::DeadLetter(_) => {
                self.require(Feature::DeadLetter)?;
                Side::Dead
            }
        };
        Ok(Arc::new(Channel {
            connection: Arc::clone(&self.connection),
            queue: self.connection.queue(source.queue_name())?,
            side,
        }))
    }

    /// How long a receiver with these options locks what it receives, and how it hands it out.
    fn hand_out(
        &self,
        queue: &Queue,
        options: &ReceiverOptions,
    ) -> Result<(Duration, HandOut), TransportError> {
        let lock_duration = options.lock_duration.unwrap_or(queue.settings.lock_duration);
        check_lock_duration("lock_duration", lock_duration, self.capabilities())?;
        let lock = match options.mode {
            ReceiveMode::PeekLock => {
                self.require(Feature::Settlement)?;
                Some(lock_duration)
            }
            ReceiveMode::ReceiveAndDelete => None,
        };
        Ok((lock_duration, HandOut { lock, hold: None }))
    }
}

#[async_trait]
impl Transport for MemoryTransport {
    fn capabilities(&self) -> &Capabilities {
        &self.connection.broker.capabilities
    }

    async fn send(&self, queue: &str, messages: Vec<Message>) -> SendReport {
        consume_budget().await;
        sender::send(&self.connection, queue, messages)
    }

    async fn open(
        &self,
        source: &Source,
        options: ReceiverOptions,
    ) -> Result<Box<dyn Receiver>, TransportError> {
        let channel = self.channel(source)?;
        if channel.side == Side::Main && channel.queue.settings.kind == QueueKind::Sessions {
            let reason = "a queue of sessions is received from by accepting a session";
            return Err(TransportError::invalid_input("source", reason));
        }
        let (_, how) = self.hand_out(&channel.queue, &options)?;
        Ok(Box::new(MemoryReceiver::new(channel, how, None)))
    }

    async fn accept_session(
        &self,
        queue: &str,
        session: SessionSelector,
        wait: Duration,
        options: ReceiverOptions,
    ) -> Result<Option<Box<dyn Receiver>>, TransportError> {
        self.require(Feature::Sessions)?;
        let channel = self.channel(&Source::queue(queue))?;
        if channel.queue.settings.kind != QueueKind::Sessions {
            let reason = format!("{queue} has no sessions");
            return Err(TransportError::invalid_input("queue", reason));
        }
        let (lock_duration, mut how) = self.hand_out(&channel.queue, &options)?;
        let accepted = HeldSession::accept(&channel, &session, wait, lock_duration).await?;
        let Some(held) = accepted else {
            return Ok(None);
        };
        how.hold = Some(held.key());
        Ok(Some(Box::new(MemoryReceiver::new(channel, how, Some(held)))))
    }

    async fn cancel_scheduled(
        &self,
        queue: &str,
        sequence_number: u64,
    ) -> Result<bool, TransportError> {
        self.require(Feature::CancelScheduled)?;
        let queue = self.connection.queue(queue)?;
        Ok(queue.with(|state, _| state.main.cancel(sequence_number)))
    }

    async fn peek(
        &self,
        source: &Source,
        from: u64,
        max: usize,
    ) -> Result<Vec<PeekedMessage>, TransportError> {
        self.require(Feature::Peek)?;
        let channel = self.channel(source)?;
        let Channel { queue, side, .. } = &*channel;
        Ok(queue.with(|state, _| {
            let entries = state.side(*side).entries().range(from).take(max);
            let peeked = entries.map(|(n, entry)| PeekedMessage {
                message: entry.message.clone(),
                metadata: tap::metadata(queue, *side, n, entry),
            });
            peeked.collect()
        }))
    }

    async fn depth(&self, source: &Source) -> Result<u64, TransportError> {
        self.require(Feature::Depth)?;
        let channel = self.channel(source)?;
        let ready = channel.queue.with(|state, _| state.side(channel.side).ready());
        Ok(ready as u64)
    }

    async fn redrive(&self, queue: &str, max: usize) -> Result<usize, TransportError> {
        self.require(Feature::Redrive)?;
        let queue = self.connection.queue(queue)?;
        queue.with(|state, now| state.redrive(max, now))
    }

    async fn health(&self) -> Result<(), TransportError> {
        self.connection.check_open()
    }

    async fn close(&self) -> Result<(), TransportError> {
        self.connection.close();
        Ok(())
    }
}

impl Default for MemoryTransport {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTransport")
            .field("broker", &self.connection.broker)
            .field("closed", &self.connection.is_closed())
            .finish()
    }
}
