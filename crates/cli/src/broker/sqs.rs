//! Amazon SQS, or a stand-in for it, with standard queues.

use std::env;
use std::sync::Arc;

use async_trait::async_trait;
use sealmq::sqs::{QueueType, SqsConfig, SqsQueueSettings, SqsTransport};
use sealmq::{Transport, TransportError, TransportErrorKind};

use super::Broker;

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
        if config.connection.endpoint_url.as_deref().is_some_and(is_on_this_machine) {
            config = for_a_stand_in(config);
        }
        config.validate()?;
        Ok(Self { config, transport: tokio::sync::OnceCell::new() })
    }

    /// The connection that makes and removes queues.
    async fn manager(&self) -> Result<&SqsTransport, TransportError> {
        self.transport.get_or_try_init(|| SqsTransport::connect(&self.config)).await
    }
}

fn is_on_this_machine(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    ["127.0.0.1", "localhost", "[::1]"].into_iter().any(|name| {
        host.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
    })
}

/// A stand-in wants some region and some credentials and checks neither: nobody should have to make
/// them up, nor send real ones there.
fn for_a_stand_in(config: SqsConfig) -> SqsConfig {
    let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let mut config = config;
    if config.connection.region.is_none() && !is_set("AWS_REGION") && !is_set("AWS_PROFILE") {
        config = config.with_region("us-east-1");
    }
    match is_set("AWS_ACCESS_KEY_ID") || is_set("AWS_PROFILE") {
        true => config,
        false => config.with_static_credentials("stand-in", "stand-in", None),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_taken_for_a_stand_in() {
        for url in ["http://127.0.0.1:4566", "http://localhost", "http://[::1]:1/x"] {
            assert!(is_on_this_machine(url), "{url}");
        }
        for url in ["https://sqs.eu-central-1.amazonaws.com", "http://localhost.example:1"] {
            assert!(!is_on_this_machine(url), "{url}");
        }
    }
}
