//! Amazon SQS, or a stand-in for it, with standard queues.

use std::sync::Arc;

use async_trait::async_trait;
use sealmq::sqs::{QueueType, SqsConfig, SqsQueueSettings, SqsTransport};
use sealmq::{Transport, TransportError, TransportErrorKind};

use super::Broker;
use crate::stand_in;

/// The observer receives and puts back, again and again: that must not dead-letter anything.
const MAX_RECEIVES: u32 = 1_000;

pub(super) struct SqsBroker {
    config: SqsConfig,
    transport: tokio::sync::OnceCell<SqsTransport>,
}

impl SqsBroker {
    /// What the environment says, at this endpoint if there is one.
    pub(super) fn at(endpoint_url: &str) -> Result<Self, TransportError> {
        let mut config = SqsConfig::from_env()?;
        if config.queue_type == QueueType::Fifo {
            let reason = "the demo needs standard queues: it puts copies of messages on them, \
                          which a FIFO queue drops for five minutes";
            return Err(TransportError::invalid_input("SEALMQ_SQS_QUEUE_TYPE", reason));
        }
        if !endpoint_url.is_empty() {
            config = config.with_endpoint_url(endpoint_url);
        }
        if config.connection.endpoint_url.as_deref().is_some_and(stand_in::is_on_this_machine) {
            if let Some(region) = stand_in::region(config.connection.region.is_none()) {
                config = config.with_region(region);
            }
            if let Some((id, secret)) = stand_in::credentials() {
                config = config.with_static_credentials(id, secret, None);
            }
        }
        config.validate()?;
        Ok(Self { config, transport: tokio::sync::OnceCell::new() })
    }

    /// The connection that makes and removes queues.
    async fn manager(&self) -> Result<&SqsTransport, TransportError> {
        self.transport.get_or_try_init(|| SqsTransport::connect(&self.config)).await
    }
}

#[async_trait]
impl Broker for SqsBroker {
    fn kind(&self) -> &'static str {
        "sqs"
    }

    fn describe(&self) -> String {
        match (&self.config.connection.endpoint_url, &self.config.connection.region) {
            (Some(url), _) => format!("SQS at {url}"),
            (None, Some(region)) => format!("Amazon SQS, {region}"),
            (None, None) => "Amazon SQS".to_owned(),
        }
    }

    async fn connect(&self) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(SqsTransport::connect(&self.config).await?))
    }

    async fn create_queue(&self, queue: &str) -> Result<(), TransportError> {
        let settings = SqsQueueSettings::default().with_max_receive_count(MAX_RECEIVES);
        self.manager().await?.create_queue(queue, settings).await
    }

    /// The dead-letter queue is a queue of its own, and may be there though the other is not.
    async fn remove_queue(&self, queue: &str) -> Result<(), TransportError> {
        let manager = self.manager().await?;
        let removed = manager.delete_queue(queue).await;
        match manager.delete_queue(&manager.dead_letter_queue_name(queue)).await {
            Err(error) if *error.kind() != TransportErrorKind::NotFound => Err(error),
            _ => removed,
        }
    }

    fn how_to_create(&self, queue: &str) -> String {
        format!("aws sqs create-queue --queue-name {queue}")
    }
}
