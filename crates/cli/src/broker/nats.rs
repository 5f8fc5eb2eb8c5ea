//! NATS `JetStream` at the URL of the command line.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sealmq::nats::{NatsConfig, NatsQueueSettings, NatsStorage, NatsTransport};
use sealmq::settings::Settings;
use sealmq::{Transport, TransportError};

use super::Broker;

/// The least that the server takes: an attacker who puts a copy of a message on the queue must
/// outwait it, or the server drops the copy as a duplicate.
const DUPLICATE_WINDOW: Duration = Duration::from_millis(100);

pub(super) struct NatsBroker {
    url: String,
    config: NatsConfig,
}

impl NatsBroker {
    /// The server at this URL; everything else is as the environment says.
    pub(super) fn at(url: &str) -> Result<Self, TransportError> {
        let settings = Settings::from_env().with("SEALMQ_NATS_URL", Some(url.to_owned()));
        let config = NatsConfig::from_settings(&settings)?.with_connection_name("sealmq demo");
        Ok(Self { url: url.to_owned(), config })
    }
}

#[async_trait]
impl Broker for NatsBroker {
    fn kind(&self) -> &'static str {
        "nats"
    }

    fn describe(&self) -> String {
        format!("NATS JetStream at {}", self.url)
    }

    async fn connect(&self) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(NatsTransport::connect(&self.config).await?))
    }

    async fn create_queue(&self, queue: &str) -> Result<(), TransportError> {
        let transport = NatsTransport::connect(&self.config).await?;
        let settings = NatsQueueSettings::default()
            .with_duplicate_window(DUPLICATE_WINDOW)
            .with_storage(NatsStorage::Memory);
        transport.create_queue(queue, &settings).await?;
        transport.close().await
    }

    async fn remove_queue(&self, queue: &str) -> Result<(), TransportError> {
        let transport = NatsTransport::connect(&self.config).await?;
        transport.delete_queue(queue).await?;
        transport.close().await
    }

    fn how_to_create(&self, _queue: &str) -> String {
        "leave out --queues: the demo makes queues of its own".to_owned()
    }
}
