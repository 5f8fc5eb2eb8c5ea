//! Making, checking and removing the streams and consumers of a queue.

use std::collections::HashMap;

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
use crate::layout::{self, Layout};
use crate::names::QueueNames;
use crate::queue_settings::{NatsQueueSettings, NatsStorage};
use crate::rules::MAX_DELIVERIES;

/// What a consumer holds receivers to.
#[derive(Clone, Copy)]
struct Limits {
    max_deliveries: Option<u32>,
    max_ack_pending: u32,
}

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
        self.create_stream(&dead).await?;
        let limits = Limits { max_deliveries: None, max_ack_pending: settings.max_ack_pending };
        self.create_consumer(&dead.name, 0, &names.dead_subject, settings, limits, None).await?;

        let layout = Layout::new(settings.ordered_groups);
        let mut subjects = vec![layout.subjects(names)];
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
        self.create_stream(&main).await?;
        let max_ack_pending = match layout {
            Layout::Plain => settings.max_ack_pending,
            Layout::Groups(_) => 1,
        };
        let limits = Limits { max_deliveries: settings.max_deliveries, max_ack_pending };
        // The first is made last: a queue with it has all of them.
        for partition in (0..layout.partitions()).rev() {
            let filter = layout.filter(names, partition);
            let tells = layout.metadata();
            self.create_consumer(&main.name, partition, &filter, settings, limits, tells).await?;
        }
        self.known().insert(names.queue.clone(), layout);
        Ok(())
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

    async fn create_stream(&self, stream: &StreamConfig) -> Result<(), TransportError> {
        let name = &stream.name;
        let context = format!("creating stream {name}");
        let _: StreamInfo = self.call(&format!("STREAM.CREATE.{name}"), stream, &context).await?;
        Ok(())
    }

    async fn create_consumer(
        &self,
        stream: &str,
        partition: u16,
        filter: &str,
        settings: &NatsQueueSettings,
        limits: Limits,
        tells: Option<(String, String)>,
    ) -> Result<(), TransportError> {
        let name = layout::consumer(&self.consumer, partition);
        let max_deliveries = limits.max_deliveries.map(|limit| limit.to_string());
        let max_deliveries = max_deliveries.map(|limit| (MAX_DELIVERIES.to_owned(), limit));
        let config = pull::Config {
            durable_name: Some(name.clone()),
            name: Some(name.clone()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: settings.ack_wait,
            max_deliver: -1,
            max_ack_pending: i64::from(limits.max_ack_pending),
            filter_subject: filter.to_owned(),
            metadata: max_deliveries.into_iter().chain(tells).collect(),
            ..pull::Config::default()
        };
        let config = config.into_consumer_config();
        let request = CreateConsumer { stream_name: stream, config: &config, action: "create" };
        let endpoint = format!("CONSUMER.CREATE.{stream}.{name}.{filter}");
        let context = format!("creating the consumer of stream {stream}");
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
        if self.known().contains_key(&names.queue) {
            return Ok(());
        }
        match self.stream(&names.stream).await {
            Err(error) if *error.kind() == TransportErrorKind::NotFound => {
                return self.create(names, settings).await;
            }
            found => drop(found?),
        }
        match self.looked_up(names).await {
            // Others may read it by a consumer of theirs.
            Err(error) if *error.kind() == TransportErrorKind::NotFound => {
                self.known().insert(names.queue.clone(), Layout::Plain);
                Ok(())
            }
            looked_up => looked_up.map(drop),
        }
    }

    /// How a queue is laid out.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub(crate) async fn layout(&self, names: &QueueNames) -> Result<Layout, TransportError> {
        let known = self.known().get(&names.queue).copied();
        match known {
            Some(layout) => Ok(layout),
            None => self.looked_up(names).await,
        }
    }

    async fn looked_up(&self, names: &QueueNames) -> Result<Layout, TransportError> {
        let layout = Layout::of(&self.consumer_of(&names.stream).await?.config.metadata);
        self.known().insert(names.queue.clone(), layout);
        Ok(layout)
    }

    /// Looks a queue up anew when it is next used: it was not where it was thought to be.
    pub(crate) fn forget(&self, queue: &str) {
        self.known().remove(queue);
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, Layout>> {
        self.layouts.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
