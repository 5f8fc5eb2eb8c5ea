//! Making, checking and removing the streams and consumers of a queue.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::consumer::{
    AckPolicy, Config as ConsumerConfig, Info as ConsumerInfo, IntoConsumerConfig, pull,
};
use async_nats::jetstream::stream::{
    Config as StreamConfig, DiscardPolicy, Info as StreamInfo, RetentionPolicy, StorageType,
};
use sealmq_queue_core::{Feature, TransportError, TransportErrorKind};
use serde::Serialize;

use crate::config::NatsProvisioning;
use crate::jetstream::{JetStream, NOTHING};
use crate::names::QueueNames;
use crate::queue_settings::{NatsQueueSettings, NatsStorage};

/// Where a consumer keeps the limit of deliveries that the adapters enforce.
pub(crate) const MAX_DELIVERIES: &str = "sealmq-max-deliveries";

#[derive(Serialize)]
struct CreateConsumer<'a> {
    stream_name: &'a str,
    config: &'a ConsumerConfig,
    action: &'static str,
}

impl JetStream {
    /// Makes the streams and consumers of a queue, its dead-letter queue first: no queue is ever
    /// without one.
    ///
    /// # Errors
    /// `InvalidInput` for `queue` if it exists with other settings; `Unavailable`, `Throttled`.
    pub(crate) async fn create(
        &self,
        names: &QueueNames,
        settings: &NatsQueueSettings,
    ) -> Result<(), TransportError> {
        settings.validate()?;
        let dead =
            self.stream_config(&names.dead_stream, vec![names.dead_subject.clone()], settings);
        let dead =
            StreamConfig { max_age: settings.dead_letter_max_age.unwrap_or_default(), ..dead };
        self.create_side(&dead, &names.dead_subject, settings, None).await?;

        let mut subjects = vec![names.subject.clone()];
        // The server does not hold messages back in a stream that refuses new ones when it is full.
        let is_bounded = settings.max_messages.is_some();
        let schedules = self.capabilities.has(Feature::ScheduledSend) && !is_bounded;
        if schedules {
            subjects.push(format!("{}.*", names.schedules));
        }
        let main = StreamConfig {
            max_messages: settings.max_messages.map_or(-1, i64::from),
            discard: if is_bounded { DiscardPolicy::New } else { DiscardPolicy::Old },
            max_age: settings.max_age.unwrap_or_default(),
            allow_message_ttl: self.capabilities.has(Feature::TimeToLive),
            allow_message_schedules: schedules,
            ..self.stream_config(&names.stream, subjects, settings)
        };
        self.create_side(&main, &names.subject, settings, settings.max_deliveries).await
    }

    fn stream_config(
        &self,
        stream: &str,
        subjects: Vec<String>,
        settings: &NatsQueueSettings,
    ) -> StreamConfig {
        StreamConfig {
            name: stream.to_owned(),
            subjects,
            retention: RetentionPolicy::WorkQueue,
            max_messages: -1,
            max_bytes: -1,
            storage: match settings.storage {
                NatsStorage::File => StorageType::File,
                NatsStorage::Memory => StorageType::Memory,
            },
            num_replicas: settings.replicas,
            duplicate_window: settings.duplicate_window,
            allow_direct: true,
            ..StreamConfig::default()
        }
    }

    async fn create_side(
        &self,
        stream: &StreamConfig,
        subject: &str,
        settings: &NatsQueueSettings,
        max_deliveries: Option<u32>,
    ) -> Result<(), TransportError> {
        let name = &stream.name;
        let context = format!("creating stream {name}");
        let _: StreamInfo = self.call(&format!("STREAM.CREATE.{name}"), stream, &context).await?;
        let limit = max_deliveries.map(|limit| (MAX_DELIVERIES.to_owned(), limit.to_string()));
        let config = pull::Config {
            durable_name: Some(self.consumer.clone()),
            name: Some(self.consumer.clone()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: settings.ack_wait,
            max_deliver: -1,
            max_ack_pending: i64::from(settings.max_ack_pending),
            filter_subject: subject.to_owned(),
            metadata: HashMap::from_iter(limit),
            ..pull::Config::default()
        };
        let config = config.into_consumer_config();
        let request = CreateConsumer { stream_name: name, config: &config, action: "create" };
        let endpoint = format!("CONSUMER.CREATE.{name}.{}.{subject}", self.consumer);
        let context = format!("creating the consumer of stream {name}");
        let _: ConsumerInfo = self.call(&endpoint, &request, &context).await?;
        Ok(())
    }

    /// Removes a queue with all its messages and dead letters.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub(crate) async fn delete(&self, names: &QueueNames) -> Result<(), TransportError> {
        self.forget(&names.queue);
        for stream in [&names.stream, &names.dead_stream] {
            let context = format!("deleting stream {stream}");
            let endpoint = format!("STREAM.DELETE.{stream}");
            let _: serde_json::Value = self.call(&endpoint, &NOTHING, &context).await?;
        }
        Ok(())
    }

    /// Makes a queue on demand, if it is to be made so and was not there.
    ///
    /// # Errors
    /// As [`JetStream::create`].
    pub(crate) async fn ensure(&self, names: &QueueNames) -> Result<(), TransportError> {
        let NatsProvisioning::OnDemand(settings) = &self.provisioning else {
            return Ok(());
        };
        if self.known().contains(&names.queue) {
            return Ok(());
        }
        match self.stream(&names.stream).await {
            Err(error) if *error.kind() == TransportErrorKind::NotFound => {
                self.create(names, settings).await?;
            }
            looked_up => drop(looked_up?),
        }
        self.known().insert(names.queue.clone());
        Ok(())
    }

    /// Looks a queue up anew when it is next used: it was not where it was thought to be.
    pub(crate) fn forget(&self, queue: &str) {
        self.known().remove(queue);
    }

    fn known(&self) -> std::sync::MutexGuard<'_, std::collections::HashSet<String>> {
        self.provisioned.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// What a consumer that this adapter can use says about deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeliveryRules {
    /// How long a delivery is locked.
    pub(crate) ack_wait: Duration,
    /// The number of deliveries from which on a message is not handed out any more.
    pub(crate) too_many: Option<i64>,
}

impl DeliveryRules {
    /// The rules of a consumer, if it is one to receive from with locks.
    ///
    /// # Errors
    /// `InvalidInput` for `queue`: the consumer was made for something else.
    pub(crate) fn of(config: &ConsumerConfig, subject: &str) -> Result<Self, TransportError> {
        let fits = config.ack_policy == AckPolicy::Explicit
            && config.deliver_subject.is_none()
            && (config.filter_subject == subject || config.filter_subject.is_empty());
        if !fits {
            let reason = "its consumer is no pull consumer with explicit acknowledgement";
            return Err(TransportError::invalid_input("queue", reason));
        }
        let ours = config.metadata.get(MAX_DELIVERIES).and_then(|text| text.parse::<i64>().ok());
        // A limit of the server's own keeps the last delivery for dead-lettering: there is no more.
        let servers = (config.max_deliver > 0).then_some(config.max_deliver);
        let too_many = match (ours.map(|limit| limit.saturating_add(1)), servers) {
            (Some(ours), Some(servers)) => Some(ours.min(servers)),
            (ours, servers) => ours.or(servers),
        };
        Ok(Self { ack_wait: config.ack_wait, too_many })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consumer() -> ConsumerConfig {
        ConsumerConfig {
            ack_policy: AckPolicy::Explicit,
            ack_wait: Duration::from_secs(30),
            filter_subject: "q".into(),
            max_deliver: -1,
            ..ConsumerConfig::default()
        }
    }

    fn too_many(ours: Option<&str>, servers: i64) -> Option<i64> {
        let mut config = ConsumerConfig { max_deliver: servers, ..consumer() };
        config.metadata.extend(ours.map(|limit| (MAX_DELIVERIES.to_owned(), limit.to_owned())));
        DeliveryRules::of(&config, "q").unwrap().too_many
    }

    #[test]
    fn the_last_delivery_the_server_makes_is_kept_for_dead_lettering() {
        assert_eq!(too_many(None, -1), None);
        assert_eq!(too_many(Some("3"), -1), Some(4));
        assert_eq!(too_many(None, 5), Some(5));
        assert_eq!(too_many(Some("3"), 5), Some(4));
        assert_eq!(too_many(Some("9"), 5), Some(5));
        assert_eq!(too_many(Some("many"), -1), None);
    }

    #[test]
    fn a_consumer_made_for_something_else_is_refused() {
        let others = [
            ConsumerConfig { ack_policy: AckPolicy::None, ..consumer() },
            ConsumerConfig { deliver_subject: Some("push".into()), ..consumer() },
            ConsumerConfig { filter_subject: "other".into(), ..consumer() },
        ];
        for config in others {
            assert!(DeliveryRules::of(&config, "q").is_err());
        }
        let unfiltered = ConsumerConfig { filter_subject: String::new(), ..consumer() };
        assert!(DeliveryRules::of(&unfiltered, "q").is_ok());
    }
}
