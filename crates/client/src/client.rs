//! The client of one queue: send, receive, process, sessions, dead letters.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt};
use sealmq_crypto_core::CryptoConfig;
use sealmq_queue_core::{Message, SendReceipt, SessionSelector};

use crate::IncomingMessage;
use crate::builder::QueueClientBuilder;
use crate::dead_letters::DeadLetters;
use crate::error::{ClientError, FailedSend};
use crate::incoming::Received;
use crate::processing::{HandlerError, ProcessorOptions};
use crate::processor::{self, Processor};
use crate::queue::QueueContext;
use crate::session::SessionClient;

/// A client of one queue: what it sends is sealed, what it receives is opened.
///
/// # Contract
/// - Cheap to clone; all methods take `&self` and may be called from several tasks.
/// - Everything is checked before any key or network call: an error of kind `InvalidInput`,
///   `TooLarge` or `Unsupported` means that nothing was sent.
/// - What may succeed later is retried here and nowhere else; a retry sends the same frame.
/// - Receiving settles by itself what can not be handed out: what can never be opened goes to
///   the dead-letter queue still sealed, what may open later goes back, or is kept by a processor.
#[derive(Clone)]
pub struct QueueClient(pub(crate) Arc<QueueContext>);

impl QueueClient {
    /// Begins a client of this queue.
    pub fn builder(queue: impl Into<String>) -> QueueClientBuilder {
        QueueClientBuilder::new(queue.into())
    }

    /// A client of another queue over the same connection, with the same keys and policy. Its
    /// logical name is its name.
    ///
    /// # Errors
    /// `InvalidInput` for a name that is empty or too long to be bound.
    pub fn for_queue(&self, queue: &str) -> Result<Self, ClientError> {
        self.for_logical_queue(queue, queue)
    }

    /// A client of another queue over the same connection, with the logical name that its
    /// messages are bound to.
    ///
    /// # Errors
    /// As [`QueueClient::for_queue`].
    pub fn for_logical_queue(&self, queue: &str, logical: &str) -> Result<Self, ClientError> {
        self.for_queue_of_tenant(queue, logical, self.0.shared.tenant.as_deref())
    }

    /// A client of another queue over the same connection, whose messages are bound to this tenant
    /// instead of the client's own; to none without one.
    ///
    /// # Errors
    /// As [`QueueClient::for_queue`], and for a tenant that is too long to be bound.
    pub fn for_queue_of_tenant(
        &self,
        queue: &str,
        logical: &str,
        tenant: Option<&str>,
    ) -> Result<Self, ClientError> {
        QueueContext::new(Arc::clone(&self.0.shared), tenant, queue, logical).map(Self)
    }

    /// The queue's name on the broker.
    pub fn queue(&self) -> &str {
        &self.0.queue
    }

    /// The crypto policy.
    pub fn config(&self) -> &CryptoConfig {
        &self.0.shared.config
    }

    /// The longest body that can be sent beside this message's metadata, sealing included.
    pub fn max_body_bytes(&self, message: &Message) -> usize {
        self.0.max_body_bytes(message)
    }

    /// Sends one message; it counts as sent once the broker has accepted it.
    ///
    /// # Errors
    /// The error gives the message back as it came.
    pub async fn send(&self, message: Message) -> Result<SendReceipt, FailedSend> {
        let mut sent = self.send_batch(vec![message]).await;
        sent.pop().unwrap_or_else(|| {
            let error = ClientError::invalid_input("batch", "is empty");
            Err(FailedSend { error, message: Box::new(Message::new("")) })
        })
    }

    /// Sends a batch and reports each message in its place. If any message is invalid, nothing is
    /// sent; what the broker refuses, it refuses message by message. An empty batch does nothing.
    pub async fn send_batch(&self, messages: Vec<Message>) -> Vec<Result<SendReceipt, FailedSend>> {
        self.0.send_batch(messages).await
    }

    /// Receives up to `max` messages: returns as soon as at least one is there, or with an empty
    /// batch after `wait`. Cancel-safe as far as the transport is: what was received and not yet
    /// returned comes again after its lock has run out. Locks are renewed while keys or the replay
    /// store are waited for, and not once the messages are returned.
    ///
    /// # Errors
    /// The transport's. A message that cannot be opened is no error of the call: it stands in the
    /// batch as a [`RejectedMessage`](crate::RejectedMessage).
    pub async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Received>, ClientError> {
        self.0.receive(max, wait).await
    }

    /// Messages one after the other, received `batch` at a time, until the client is closed. An
    /// error of a receive stands in the stream and does not end it.
    ///
    /// At most `batch` messages are locked and not yet taken from the stream. For handlers that
    /// run side by side, with lock renewal, see [`QueueClient::process`].
    pub fn stream(&self, batch: usize) -> impl Stream<Item = Result<Received, ClientError>> + Send {
        const WAIT: Duration = Duration::from_secs(20);
        let queue = Arc::clone(&self.0);
        let batches = stream::unfold(queue, move |queue| async move {
            if queue.is_ending() {
                return None;
            }
            let items: Vec<_> = match queue.receive(batch, WAIT).await {
                Ok(received) => received.into_iter().map(Ok).collect(),
                Err(_) if queue.is_ending() => return None,
                Err(error) => {
                    tokio::time::sleep(queue.shared.retry.delay(1)).await;
                    vec![Err(error)]
                }
            };
            Some((stream::iter(items), queue))
        });
        batches.flatten()
    }

    /// Runs `handler` for each message, several at a time, in the background.
    ///
    /// A message is completed when its handler returns `Ok`, and settled as the [`HandlerError`]
    /// says otherwise; a handler that panics makes its message receivable again. Locks are
    /// renewed while handlers work. Messages whose key cannot be had for now are kept until it can,
    /// see [`ProcessorOptions::hold`]. Where replays are refused, a copy that the broker delivers again
    /// while an earlier delivery of it is worked on waits for that to end, and is not handled
    /// again if the work was done. Stop it with [`Processor::stop`], or with everything else by
    /// [`QueueClient::shutdown`].
    pub fn process<H, F>(&self, options: ProcessorOptions, handler: H) -> Processor
    where
        H: Fn(IncomingMessage) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), HandlerError>> + Send + 'static,
    {
        processor::start(Arc::clone(&self.0), options, handler)
    }

    /// Takes the exclusive hold of a session; `None` if there was none to take within `wait`.
    ///
    /// # Errors
    /// `Unsupported` before any I/O, `SessionLocked`; else the transport's.
    pub async fn accept_session(
        &self,
        session: SessionSelector,
        wait: Duration,
    ) -> Result<Option<SessionClient>, ClientError> {
        if self.0.is_ending() {
            return Err(ClientError::closed());
        }
        let shared = &self.0.shared;
        let accept = || {
            let (session, options) = (session.clone(), shared.receiver_options.clone());
            shared.transport.accept_session(&self.0.queue, session, wait, options)
        };
        let receiver = shared.retry.run(accept).await?;
        Ok(receiver.map(|receiver| SessionClient::new(Arc::clone(&self.0), receiver)))
    }

    /// Opens the dead-letter queue of this queue.
    ///
    /// # Errors
    /// `Unsupported` before any I/O; else the transport's.
    pub async fn dead_letters(&self) -> Result<DeadLetters, ClientError> {
        if self.0.is_ending() {
            return Err(ClientError::closed());
        }
        DeadLetters::open(Arc::clone(&self.0)).await
    }
}

impl fmt::Debug for QueueClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueClient")
            .field("queue", &self.0.queue)
            .field("logical_queue", &self.0.scope.queue())
            .field("encryption_enabled", &self.0.shared.config.enabled)
            .finish_non_exhaustive()
    }
}
