//! The adapter's trait for a broker: sending, opening queues, health.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::{Capabilities, DeliveryMetadata, Feature, Message, Receiver, TransportError};

/// What to receive from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// The queue of this name.
    Queue(String),
    /// The dead-letter queue of the queue of this name.
    DeadLetter(String),
}

impl Source {
    /// The queue of this name.
    pub fn queue(name: impl Into<String>) -> Self {
        Self::Queue(name.into())
    }

    /// The dead-letter queue of the queue of this name.
    pub fn dead_letter(name: impl Into<String>) -> Self {
        Self::DeadLetter(name.into())
    }

    /// The name of the queue, also for its dead-letter queue.
    pub fn queue_name(&self) -> &str {
        match self {
            Self::Queue(name) | Self::DeadLetter(name) => name,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(name) => write!(f, "{name}"),
            Self::DeadLetter(name) => write!(f, "{name}/dead-letter"),
        }
    }
}

/// When a received message leaves the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReceiveMode {
    /// When it is settled; until then it is locked.
    #[default]
    PeekLock,
    /// When it is handed out: a crash loses it, and settling it is `Unsupported`.
    ReceiveAndDelete,
}

/// How a queue is opened.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReceiverOptions {
    /// When a received message leaves the queue.
    pub mode: ReceiveMode,
    /// Messages the adapter may fetch ahead of `recv`. Their locks run meanwhile.
    pub prefetch: usize,
    /// How long deliveries are locked; `None` for the queue's own setting. Where the broker cannot
    /// do it per receiver, opening is refused: it is never ignored.
    pub lock_duration: Option<Duration>,
}

impl ReceiverOptions {
    /// The same options with this mode.
    #[must_use]
    pub fn with_mode(mut self, mode: ReceiveMode) -> Self {
        self.mode = mode;
        self
    }

    /// The same options with up to this many messages fetched ahead.
    #[must_use]
    pub fn with_prefetch(mut self, prefetch: usize) -> Self {
        self.prefetch = prefetch;
        self
    }

    /// The same options with deliveries locked for this long.
    #[must_use]
    pub fn with_lock_duration(mut self, lock_duration: Duration) -> Self {
        self.lock_duration = Some(lock_duration);
        self
    }
}

/// Which session to accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionSelector {
    /// Any session that has messages and is not held.
    Next,
    /// The session of this id, whether or not it has messages.
    Named(String),
}

/// Proof that the broker accepted a message.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SendReceipt {
    /// The broker's sequence number: what cancels a scheduled message.
    pub sequence_number: Option<u64>,
    /// Whether the broker dropped the message because it already had one of this id.
    pub duplicate: bool,
}

impl SendReceipt {
    /// A receipt for a message stored under this sequence number.
    pub fn new(sequence_number: Option<u64>) -> Self {
        Self { sequence_number, duplicate: false }
    }

    /// A receipt for a message that the broker had already.
    pub fn duplicate_of(sequence_number: Option<u64>) -> Self {
        Self { sequence_number, duplicate: true }
    }
}

/// A message that was not accepted, given back with the reason.
#[derive(Debug)]
pub struct SendFailure {
    /// Why.
    pub error: TransportError,
    /// The message, to send again.
    pub message: Box<Message>,
}

/// What became of each message of a batch, in the order of the batch.
pub type SendReport = Vec<Result<SendReceipt, SendFailure>>;

/// Checks every message of a batch against what the transport can carry, before any I/O.
///
/// # Errors
/// If any message is invalid, the report to return: the invalid ones with their own error, the
/// others with `InvalidInput` for `batch`, each with its message.
pub fn check_batch(
    messages: Vec<Message>,
    capabilities: &Capabilities,
) -> Result<Vec<Message>, SendReport> {
    let errors: Vec<_> = messages.iter().map(|m| m.validate(capabilities).err()).collect();
    if errors.iter().all(Option::is_none) {
        return Ok(messages);
    }
    let refuse = |(message, error): (Message, Option<TransportError>)| {
        let reason = "another message of the batch is invalid, nothing was sent";
        let error = error.unwrap_or_else(|| TransportError::invalid_input("batch", reason));
        Err(SendFailure { error, message: Box::new(message) })
    };
    Err(messages.into_iter().zip(errors).map(refuse).collect())
}

/// A message that was looked at and not locked.
#[derive(Debug, Clone)]
pub struct PeekedMessage {
    /// The message as the broker stores it.
    pub message: Message,
    /// What the broker says of it.
    pub metadata: DeliveryMetadata,
}

/// A broker connection. Cheap to share behind an `Arc`; all methods take `&self`.
///
/// # Contract
/// - Every message is checked against [`Capabilities`] before any I/O.
/// - Adapters do not retry: the client is the one retry owner.
/// - A body is opaque: what was sent arrives byte for byte.
#[async_trait]
pub trait Transport: Send + Sync {
    /// What the transport can do.
    fn capabilities(&self) -> &Capabilities;

    /// Sends a batch of any size and reports each message in its place. A message counts as sent
    /// once the broker has accepted it. An empty batch does no I/O.
    ///
    /// Validation is all or nothing: if any message of the batch is invalid or oversized
    /// ([`check_batch`]) nothing is sent at all. What the broker refuses afterwards it refuses
    /// message by message. Failed messages come back in the report.
    async fn send(&self, queue: &str, messages: Vec<Message>) -> SendReport;

    /// Opens a queue or a dead-letter queue for receiving.
    ///
    /// # Errors
    /// `NotFound` (here or at the first `recv`), `Denied`, `Unavailable`, `Unsupported`, `Closed`.
    async fn open(
        &self,
        source: &Source,
        options: ReceiverOptions,
    ) -> Result<Box<dyn Receiver>, TransportError>;

    /// Takes the exclusive hold of a session; `None` if there was none to take within `wait`.
    ///
    /// # Errors
    /// `Unsupported` before any I/O, `SessionLocked` when the named session is held elsewhere
    /// for all of `wait`; else as [`Transport::open`].
    async fn accept_session(
        &self,
        _queue: &str,
        _session: SessionSelector,
        _wait: Duration,
        _options: ReceiverOptions,
    ) -> Result<Option<Box<dyn Receiver>>, TransportError> {
        Err(TransportError::unsupported(self.capabilities().transport, Feature::Sessions.name()))
    }

    /// Cancels a scheduled message that is still held back; `false` if it was not there any more.
    ///
    /// # Errors
    /// `Unsupported` before any I/O; else as [`Transport::open`].
    async fn cancel_scheduled(
        &self,
        _queue: &str,
        _sequence_number: u64,
    ) -> Result<bool, TransportError> {
        let feature = Feature::CancelScheduled.name();
        Err(TransportError::unsupported(self.capabilities().transport, feature))
    }

    /// Looks at up to `max` messages from sequence number `from` on, without locking them.
    ///
    /// # Errors
    /// `Unsupported` before any I/O; else as [`Transport::open`].
    async fn peek(
        &self,
        _source: &Source,
        _from: u64,
        _max: usize,
    ) -> Result<Vec<PeekedMessage>, TransportError> {
        Err(TransportError::unsupported(self.capabilities().transport, Feature::Peek.name()))
    }

    /// How many messages wait, as well as the broker knows.
    ///
    /// # Errors
    /// `Unsupported` before any I/O; else as [`Transport::open`].
    async fn depth(&self, _source: &Source) -> Result<u64, TransportError> {
        Err(TransportError::unsupported(self.capabilities().transport, Feature::Depth.name()))
    }

    /// Moves up to `max` messages from the dead-letter queue of `queue` back to the queue as they
    /// are, with a delivery count of zero, and says how many were moved. Deduplication does not
    /// drop them; a crash midway may leave a duplicate, never a loss.
    ///
    /// # Errors
    /// `Unsupported` before any I/O; else as [`Transport::open`].
    async fn redrive(&self, _queue: &str, _max: usize) -> Result<usize, TransportError> {
        Err(TransportError::unsupported(self.capabilities().transport, Feature::Redrive.name()))
    }

    /// Asks the broker whether it answers.
    ///
    /// # Errors
    /// `Unavailable`, `Denied`, `Closed`.
    async fn health(&self) -> Result<(), TransportError>;

    /// Closes the connection. Later calls fail with `Closed`; repeating it is fine.
    ///
    /// # Errors
    /// `Unavailable` when the broker could not be told.
    async fn close(&self) -> Result<(), TransportError>;
}
