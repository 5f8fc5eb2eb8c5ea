//! The transport of core NATS.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use sealmq_queue_core::{
    Capabilities, Feature, Message, ReceiveMode, Receiver, ReceiverOptions, SendReport, Source,
    Transport, TransportError,
};

use super::receiver::CoreReceiver;
use super::sender;
use super::shared::Shared;
use crate::capabilities;
use crate::client::Connection;
use crate::config::NatsConfig;

/// A connection to NATS without `JetStream`: messages pass by those who listen at the time.
///
/// # Contract
/// - At most once: a message goes to one receiver of each queue group that listens, and is gone.
///   There is nothing to settle, and queues exist while somebody listens to them.
/// - A send that returns `Ok` was taken by the server while somebody listened. `NotFound` means
///   that nobody did. Whether a receiver got it the server does not tell.
/// - Only [`ReceiveMode::ReceiveAndDelete`] can be opened: everything else would promise a
///   settlement.
/// - A receiver that is too slow loses what comes beyond its buffer, and so does one whose
///   connection breaks; [`NatsCoreTransport::dropped_messages`] counts the former.
/// - Clones are the same connection. All calls may be made from several tasks and are cancel-safe.
///
/// ```no_run
/// use std::time::Duration;
/// use sealmq_queue_core::Message;
/// use sealmq_transport_nats::{NatsConfig, NatsCoreTransport};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let transport = NatsCoreTransport::connect(&NatsConfig::new("nats://localhost:4222")).await?;
/// let question = Message::new("opaque bytes");
/// let answer = transport.request("prices", question, Duration::from_secs(2)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct NatsCoreTransport {
    pub(super) shared: Arc<Shared>,
}

impl NatsCoreTransport {
    /// Connects within the connect timeout of the configuration.
    ///
    /// # Errors
    /// `InvalidInput` before any I/O, `Denied` for refused credentials, `Unavailable`: also for a
    /// refused certificate, and then it says which.
    pub async fn connect(config: &NatsConfig) -> Result<Self, TransportError> {
        let connection = Connection::open(config).await?;
        let capabilities = capabilities::core(&connection.client);
        let (queue_group, subject_prefix) =
            (config.queue_group.clone(), config.subject_prefix.clone());
        let shared = Shared { connection, capabilities, queue_group, subject_prefix };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// How many messages were dropped on this connection because a receiver was too slow.
    pub fn dropped_messages(&self) -> u64 {
        self.shared.connection.slow_consumers()
    }

    /// Opens a queue in this queue group, instead of the configured one. Receivers of one group
    /// share the messages; every group gets all of them.
    ///
    /// # Errors
    /// `Unsupported` for locked deliveries, before any I/O; `InvalidInput`, `Unavailable`,
    /// `Closed`.
    pub async fn open_in_group(
        &self,
        queue: &str,
        group: &str,
        options: &ReceiverOptions,
    ) -> Result<Box<dyn Receiver>, TransportError> {
        if options.mode == ReceiveMode::PeekLock {
            self.shared.capabilities.require(Feature::Settlement)?;
        }
        if options.lock_duration.is_some() {
            self.shared.capabilities.require(Feature::Settlement)?;
        }
        if !crate::names::is_plain(group) {
            let reason = "letters, digits, - and _";
            return Err(TransportError::invalid_input("queue_group", reason));
        }
        Ok(Box::new(CoreReceiver::open(&self.shared, queue, Some(group)).await?))
    }
}

#[async_trait]
impl Transport for NatsCoreTransport {
    fn capabilities(&self) -> &Capabilities {
        &self.shared.capabilities
    }

    async fn send(&self, queue: &str, messages: Vec<Message>) -> SendReport {
        sender::send(&self.shared, queue, messages).await
    }

    async fn open(
        &self,
        source: &Source,
        options: ReceiverOptions,
    ) -> Result<Box<dyn Receiver>, TransportError> {
        if matches!(source, Source::DeadLetter(_)) {
            self.shared.capabilities.require(Feature::DeadLetter)?;
        }
        let group = self.shared.queue_group.clone();
        self.open_in_group(source.queue_name(), &group, &options).await
    }

    async fn health(&self) -> Result<(), TransportError> {
        self.shared.connection.check_open()?;
        self.shared.connection.round_trip().await
    }

    async fn close(&self) -> Result<(), TransportError> {
        self.shared.connection.close().await
    }
}

impl fmt::Debug for NatsCoreTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsCoreTransport")
            .field("connected", &self.shared.connection.is_connected())
            .field("closed", &self.shared.connection.is_closed())
            .finish_non_exhaustive()
    }
}
