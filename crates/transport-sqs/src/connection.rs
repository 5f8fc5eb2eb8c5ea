//! An open connection: the calls of the service that the adapter makes, with its errors for ours.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Builder;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::{
    Message as SqsMessage, MessageSystemAttributeName as SystemAttribute,
    QueueAttributeName as Attribute,
};
use sealmq_queue_core::{Capabilities, TransportError};

use crate::capabilities;
use crate::config::{QueueType, SqsConfig};
use crate::error::Call;
use crate::names;

/// A queue that is known to exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Queue {
    pub(crate) name: String,
    pub(crate) url: String,
}

pub(crate) struct Connection {
    pub(crate) sdk: Client,
    pub(crate) capabilities: Capabilities,
    pub(crate) queue_type: QueueType,
    queue_owner: Option<String>,
    dead_letter_suffix: String,
    request_timeout: Duration,
    poll_wait: Duration,
    closed: AtomicBool,
    /// URLs by name: they never change.
    urls: Mutex<HashMap<String, String>>,
}

impl Connection {
    pub(crate) fn new(sdk: Client, config: &SqsConfig) -> Self {
        Self {
            sdk,
            capabilities: capabilities::of(config.queue_type),
            queue_type: config.queue_type,
            queue_owner: config.queue_owner.clone(),
            dead_letter_suffix: config.dead_letter_suffix.clone(),
            request_timeout: config.connection.request_timeout,
            poll_wait: config.poll_wait,
            closed: AtomicBool::new(false),
            urls: Mutex::default(),
        }
    }

    pub(crate) fn is_fifo(&self) -> bool {
        self.queue_type == QueueType::Fifo
    }

    /// How long a poll waits that may wait for this long: whole seconds, perhaps none.
    pub(crate) fn poll_seconds(&self, wait: Duration) -> Duration {
        Duration::from_secs(wait.min(self.poll_wait).as_secs())
    }

    pub(crate) fn check_open(&self) -> Result<(), TransportError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(TransportError::closed("connection to SQS"));
        }
        Ok(())
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// The queue of this name, asked for once.
    pub(crate) async fn queue(&self, name: &str) -> Result<Queue, TransportError> {
        names::check(name, self.queue_type)?;
        self.check_open()?;
        let urls = || self.urls.lock().unwrap_or_else(PoisonError::into_inner);
        let known = urls().get(name).cloned();
        if let Some(url) = known {
            return Ok(Queue { name: name.to_owned(), url });
        }
        let queue = self.find(name, self.queue_owner.clone()).await?;
        urls().insert(queue.name.clone(), queue.url.clone());
        Ok(queue)
    }

    async fn find(&self, name: &str, owner: Option<String>) -> Result<Queue, TransportError> {
        let call = Call::new(format!("finding queue {name}"), "queue");
        let request = self.sdk.get_queue_url().queue_name(name);
        let request = request.set_queue_owner_aws_account_id(owner);
        let found = request.send().await.map_err(|error| call.failed(&error))?;
        Ok(Queue { name: name.to_owned(), url: found.queue_url.unwrap_or_default() })
    }

    /// The dead-letter queue of a queue: the one of its redrive policy, or else the one named after
    /// it.
    pub(crate) async fn dead_letter_queue(&self, queue: &Queue) -> Result<Queue, TransportError> {
        let policy = self.attributes(queue, &[Attribute::RedrivePolicy]).await?;
        let target = policy.get(&Attribute::RedrivePolicy).and_then(|policy| {
            let policy: serde_json::Value = serde_json::from_str(policy).ok()?;
            let (account, name) = names::from_arn(policy.get("deadLetterTargetArn")?.as_str()?)?;
            Some((account.to_owned(), name.to_owned()))
        });
        match target {
            Some((account, name)) => self.find(&name, Some(account)).await,
            None => self.queue(&self.dead_letter_name(&queue.name)).await,
        }
    }

    pub(crate) fn dead_letter_name(&self, queue: &str) -> String {
        names::dead_letter(queue, &self.dead_letter_suffix)
    }

    pub(crate) async fn attributes(
        &self,
        queue: &Queue,
        names: &[Attribute],
    ) -> Result<HashMap<Attribute, String>, TransportError> {
        let call = Call::new(format!("reading the attributes of queue {}", queue.name), "queue");
        let request = self.sdk.get_queue_attributes().queue_url(&queue.url);
        let request = request.set_attribute_names(Some(names.to_vec()));
        let answer = request.send().await.map_err(|error| call.failed(&error))?;
        Ok(answer.attributes.unwrap_or_default())
    }

    /// Receives once, waiting up to `wait_seconds`: not cancel-safe, since an answer that nobody
    /// reads has locked its messages.
    pub(crate) async fn receive(
        &self,
        queue: &Queue,
        count: usize,
        wait_seconds: u32,
        visibility_seconds: Option<i32>,
    ) -> Result<Vec<SqsMessage>, TransportError> {
        let call = Call::new(format!("receiving from queue {}", queue.name), "source");
        let timeout = self.request_timeout + Duration::from_secs(wait_seconds.into());
        let timeout = TimeoutConfig::builder().operation_attempt_timeout(timeout).build();
        let number = |n| i32::try_from(n).unwrap_or(i32::MAX);
        let request = self.sdk.receive_message().queue_url(&queue.url);
        let request = request
            .max_number_of_messages(i32::try_from(count).unwrap_or(i32::MAX))
            .wait_time_seconds(number(wait_seconds))
            .set_visibility_timeout(visibility_seconds)
            .message_attribute_names("All")
            .message_system_attribute_names(SystemAttribute::All)
            .customize()
            .config_override(Builder::new().timeout_config(timeout));
        let answer = request.send().await.map_err(|error| call.failed(&error))?;
        Ok(answer.messages.unwrap_or_default())
    }

    /// Whether the service answers and takes the credentials. What they allow shows at a queue:
    /// few services may list all queues.
    pub(crate) async fn health(&self) -> Result<(), TransportError> {
        self.check_open()?;
        let Err(error) = self.sdk.list_queues().max_results(1).send().await else {
            return Ok(());
        };
        match error.code() {
            Some("AccessDenied" | "AccessDeniedException") => Ok(()),
            _ => Err(Call::new("asking SQS for its health", "queue").failed(&error)),
        }
    }
}
