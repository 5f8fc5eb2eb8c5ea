//! The transport: a connection to SQS for queues of one type.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use futures_util::future::join_all;
use sealmq_queue_core::{
    Capabilities, Message, ReceiveMode, Receiver, ReceiverOptions, SendReport, Source, Transport,
    TransportError,
};

use crate::client;
use crate::config::SqsConfig;
use crate::connection::Connection;
use crate::inbox::Inbox;
use crate::lane::Lane;
use crate::queues::{self, SqsQueueSettings};
use crate::receiver::SqsReceiver;
use crate::redrive;
use crate::sender;

/// A connection to Amazon SQS, for standard queues or for FIFO queues.
///
/// # Contract
/// - At least once. On a standard queue a settlement is `Sent`: SQS accepts a receipt handle whose
///   lock was lost in silence, with or without effect. On a FIFO queue it is `Confirmed`, and one
///   that comes after the lock ran out fails with `LockLost`.
/// - Nothing is retried here, by the SDK neither; each request has a timeout.
/// - Bodies travel as base64 and our metadata in the attribute `sealmq-meta`: nine attributes are
///   left for the user. Both are in the clear to whoever can read the queue.
/// - Dead-lettering and [`Transport::redrive`] copy first and delete second: a crash in between
///   leaves a duplicate, never a loss. Of a reason 128 bytes are kept, of a description 640.
/// - `recv` polls for as long as it is asked to wait, in whole seconds up to
///   [`SqsConfig::poll_wait`], and asks once or every quarter of a second where that is less than
///   one; SQS may then overlook messages. Without `prefetch` it fetches what it is asked for, up to
///   ten at a time, with it more.
/// - On a FIFO queue one message of each group is in flight; more of a group that came with it wait
///   here, locked, until it is completed or dead-lettered. If it is to come again, they are given
///   back, which counts as a delivery of each. While a group fails like that, messages are fetched
///   singly, so that a bad message does not use up the deliveries of those behind it.
/// - A poll runs to its end even if its `recv` is dropped: the next `recv` gets what it brought,
///   unless the lock is half over by then; such a message is given back.
/// - Closing waits for a poll that ends within a second. A longer one goes on in the background and
///   gives back at once what it brings, which counts as a delivery. If the runtime ends before it,
///   a message that it would have brought may stay locked, for as long as locks last.
/// - Settlements that come together share requests, ten in each.
/// - Clones are the same connection. All calls may be made from several tasks, on a tokio runtime
///   that runs as long as the connection is used.
///
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/welcome.html>
#[derive(Clone)]
pub struct SqsTransport {
    connection: Arc<Connection>,
    inboxes: Arc<Mutex<Vec<Weak<Inbox>>>>,
}

impl SqsTransport {
    /// Makes a connection. No request is sent before the first call, save for what finding region
    /// and credentials takes.
    ///
    /// # Errors
    /// `InvalidInput` names the field of the configuration that is not acceptable.
    pub async fn connect(config: &SqsConfig) -> Result<Self, TransportError> {
        let sdk = client::connect(config).await?;
        let connection = Arc::new(Connection::new(sdk, config));
        Ok(Self { connection, inboxes: Arc::default() })
    }

    /// Creates a queue and its dead-letter queue, `<queue>-dlq` unless configured otherwise.
    /// Repeating it with the same settings is fine.
    ///
    /// # Errors
    /// `InvalidInput` names the setting that is not acceptable, or `queue` if it exists with other
    /// settings; `Throttled` within a minute after a queue of that name was deleted; `Denied`,
    /// `Unavailable`, `Closed`.
    pub async fn create_queue(
        &self,
        name: &str,
        settings: SqsQueueSettings,
    ) -> Result<(), TransportError> {
        queues::create(&self.connection, name, &settings).await
    }

    /// Deletes a queue with everything in it. Its dead-letter queue, which other queues may share,
    /// stays.
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `Unavailable`, `Closed`.
    pub async fn delete_queue(&self, name: &str) -> Result<(), TransportError> {
        queues::delete(&self.connection, name).await
    }

    /// The name of a queue's dead-letter queue, where no redrive policy names another.
    pub fn dead_letter_queue_name(&self, queue: &str) -> String {
        self.connection.dead_letter_name(queue)
    }

    /// Has SQS itself move all dead letters of a queue back, at up to `max_per_second` (500), and
    /// gives the task's handle. [`Transport::redrive`] counts, and stops where it is told; this
    /// runs in the background, for up to 36 hours, one task for each dead-letter queue.
    ///
    /// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html>
    ///
    /// # Errors
    /// `Unsupported` by some stand-ins of SQS, and while another task is active; `NotFound`,
    /// `Denied`, `InvalidInput`, `Unavailable`, `Closed`.
    pub async fn start_redrive(
        &self,
        queue: &str,
        max_per_second: Option<u32>,
    ) -> Result<String, TransportError> {
        queues::start_redrive(&self.connection, queue, max_per_second).await
    }

    fn register(&self, inbox: &Arc<Inbox>) {
        let mut inboxes = self.inboxes.lock().unwrap_or_else(PoisonError::into_inner);
        inboxes.retain(|inbox| inbox.strong_count() > 0);
        inboxes.push(Arc::downgrade(inbox));
    }
}

#[async_trait]
impl Transport for SqsTransport {
    fn capabilities(&self) -> &Capabilities {
        &self.connection.capabilities
    }

    async fn send(&self, queue: &str, messages: Vec<Message>) -> SendReport {
        sender::send(&self.connection, queue, messages).await
    }

    async fn open(
        &self,
        source: &Source,
        options: ReceiverOptions,
    ) -> Result<Box<dyn Receiver>, TransportError> {
        if options.mode == ReceiveMode::ReceiveAndDelete {
            let transport = self.capabilities().transport;
            return Err(TransportError::unsupported(transport, "receiving without a lock"));
        }
        let lane = Lane::open(&self.connection, source, options.lock_duration).await?;
        let inbox = Inbox::new(lane, options.prefetch);
        self.register(&inbox);
        Ok(Box::new(SqsReceiver::new(inbox)))
    }

    async fn depth(&self, source: &Source) -> Result<u64, TransportError> {
        let mut queue = self.connection.queue(source.queue_name()).await?;
        if let Source::DeadLetter(_) = source {
            queue = self.connection.dead_letter_queue(&queue).await?;
        }
        let name = Attribute::ApproximateNumberOfMessages;
        let attributes = self.connection.attributes(&queue, std::slice::from_ref(&name)).await?;
        Ok(attributes.get(&name).and_then(|count| count.parse().ok()).unwrap_or_default())
    }

    async fn redrive(&self, queue: &str, max: usize) -> Result<usize, TransportError> {
        redrive::redrive(&self.connection, queue, max).await
    }

    async fn health(&self) -> Result<(), TransportError> {
        self.connection.health().await
    }

    async fn close(&self) -> Result<(), TransportError> {
        self.connection.close();
        let inboxes: Vec<_> = {
            let inboxes = self.inboxes.lock().unwrap_or_else(PoisonError::into_inner);
            inboxes.iter().filter_map(Weak::upgrade).collect()
        };
        let closed = join_all(inboxes.iter().map(|inbox| inbox.close())).await;
        closed.into_iter().collect()
    }
}

impl fmt::Debug for SqsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqsTransport")
            .field("queue_type", &self.connection.queue_type)
            .field("closed", &self.connection.check_open().is_err())
            .finish_non_exhaustive()
    }
}
