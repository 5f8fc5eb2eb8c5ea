//! One queue with its sender and its receiver: through the client, or through the bare SDK.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use sealmq::local::MemoryKeyring;
use sealmq::{CryptoConfig, EncryptionKeyId, Message, QueueClient, Transport};

use super::BODY_BYTES;

/// What a measurement can fail with.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Messages of a batch, and batches under way.
pub(super) const BATCH: usize = 10;
pub(super) const UNDER_WAY: usize = 8;
const WAIT: Duration = Duration::from_secs(10);

/// A queue in use.
#[async_trait]
pub(super) trait Lane: Send + Sync {
    /// What the rows call it.
    fn name(&self) -> &'static str;

    /// Sends so many messages, several batches under way at once.
    async fn send(&self, messages: usize) -> Result<(), Failure>;

    /// Receives and completes so many messages.
    async fn receive(&self, messages: usize) -> Result<(), Failure>;

    /// From the beginning of sending one message until it was received; completes it afterwards.
    async fn one(&self) -> Result<Duration, Failure>;
}

/// Through the client.
pub(super) struct ClientLane {
    name: &'static str,
    client: QueueClient,
}

impl ClientLane {
    /// The lane of this name is sealed if that is its name.
    pub(super) fn new(
        name: &'static str,
        transport: Arc<dyn Transport>,
        queue: &str,
    ) -> Result<Self, Failure> {
        let keys = MemoryKeyring::generate(EncryptionKeyId::new("bench-2026-01")?)?;
        let config = match name {
            "sealed" => CryptoConfig::strict(),
            _ => CryptoConfig::default(),
        };
        let client = QueueClient::builder(queue)
            .with_transport(transport)
            .with_key_provider(Arc::new(keys))
            .with_crypto(config)
            .with_environment("bench")
            .with_tenant("acme")
            .build()?;
        Ok(Self { name, client })
    }

    fn message() -> Message {
        // Brokers with ordered groups want a group for each message.
        Message::new(vec![0x5a; BODY_BYTES]).with_message_type("order.created")
    }

    async fn take(&self, most: usize) -> Result<usize, Failure> {
        let received = self.client.receive(most, WAIT).await?;
        let count = received.len();
        let completed = received.into_iter().map(|received| async move {
            let message = received.map_err(|rejected| rejected.error)?;
            message.complete().await.map_err(|failed| failed.error)?;
            Ok::<_, Failure>(())
        });
        futures_util::future::try_join_all(completed).await?;
        Ok(count)
    }
}

#[async_trait]
impl Lane for ClientLane {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn send(&self, messages: usize) -> Result<(), Failure> {
        let batches = stream::iter(0..messages / BATCH);
        let sending = batches.map(|_| async {
            let batch = (0..BATCH).map(|_| Self::message()).collect();
            for sent in self.client.send_batch(batch).await {
                sent.map_err(|failed| failed.error)?;
            }
            Ok::<_, Failure>(())
        });
        sending.buffer_unordered(UNDER_WAY).try_collect().await
    }

    async fn receive(&self, messages: usize) -> Result<(), Failure> {
        let mut left = messages;
        while left > 0 {
            let taken = self.take(left.min(UNDER_WAY * BATCH)).await?;
            if taken == 0 {
                return Err(format!("{left} messages did not arrive").into());
            }
            left -= taken;
        }
        Ok(())
    }

    async fn one(&self) -> Result<Duration, Failure> {
        let began = Instant::now();
        let sent = async {
            self.client.send(Self::message()).await.map_err(|failed| Failure::from(failed.error))
        };
        let received = async {
            let received = self.client.receive(1, WAIT).await?;
            Ok::<_, Failure>((began.elapsed(), received))
        };
        let (_, (latency, received)) = futures_util::try_join!(sent, received)?;
        let message = received.into_iter().next().ok_or("a message did not arrive")?;
        let message = message.map_err(|rejected| rejected.error)?;
        message.complete().await.map_err(|failed| failed.error)?;
        Ok(latency)
    }
}
