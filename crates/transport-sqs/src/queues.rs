//! Making, removing and redriving queues: for set-up, and for tests.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use sealmq_queue_core::TransportError;

use crate::connection::{Connection, Queue};
use crate::error::Call;
use crate::names;
use crate::time::{visibility_seconds, whole_seconds};

/// The settings of a queue that is made together with its dead-letter queue.
///
/// ```
/// use std::time::Duration;
/// use sealmq_transport_sqs::SqsQueueSettings;
///
/// let settings = SqsQueueSettings::default()
///     .with_visibility_timeout(Duration::from_secs(60))
///     .with_max_receive_count(3);
/// assert_eq!(settings.max_receive_count, Some(3));
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqsQueueSettings {
    /// How long deliveries are locked unless a receiver says otherwise, 12 hours at most; 30 s.
    pub visibility_timeout: Duration,
    /// How long messages are kept, 1 minute to 14 days; 4 days. The dead-letter queue keeps them
    /// for 14 days.
    pub retention: Duration,
    /// After so many receives that were not completed, 1 to 1000, SQS moves a message to the
    /// dead-letter queue; 10, and `None` is never.
    pub max_receive_count: Option<u32>,
}

const DAY: Duration = Duration::from_secs(86_400);

impl Default for SqsQueueSettings {
    fn default() -> Self {
        Self {
            visibility_timeout: Duration::from_secs(30),
            retention: 4 * DAY,
            max_receive_count: Some(10),
        }
    }
}

impl SqsQueueSettings {
    /// The same settings with locks of this duration.
    #[must_use]
    pub fn with_visibility_timeout(mut self, visibility_timeout: Duration) -> Self {
        self.visibility_timeout = visibility_timeout;
        self
    }

    /// The same settings with messages kept this long.
    #[must_use]
    pub fn with_retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// The same settings with at most this many receives; `None` for any number.
    #[must_use]
    pub fn with_max_receive_count(mut self, max_receive_count: impl Into<Option<u32>>) -> Self {
        self.max_receive_count = max_receive_count.into();
        self
    }

    fn validate(&self) -> Result<(), TransportError> {
        visibility_seconds("visibility_timeout", self.visibility_timeout)?;
        if !(Duration::from_secs(60)..=14 * DAY).contains(&self.retention) {
            return Err(TransportError::invalid_input("retention", "1 minute to 14 days"));
        }
        if self.max_receive_count.is_some_and(|count| !(1..=1_000).contains(&count)) {
            return Err(TransportError::invalid_input("max_receive_count", "1 to 1000"));
        }
        Ok(())
    }
}

/// Makes a queue and its dead-letter queue. Repeating it with the same settings is fine.
pub(crate) async fn create(
    connection: &Connection,
    name: &str,
    settings: &SqsQueueSettings,
) -> Result<(), TransportError> {
    settings.validate()?;
    let dead_letter_name = connection.dead_letter_name(name);
    names::check(name, connection.queue_type)?;
    names::check(&dead_letter_name, connection.queue_type)?;
    connection.check_open()?;

    let seconds = |duration| whole_seconds(duration).to_string();
    let timeout = (Attribute::VisibilityTimeout, seconds(settings.visibility_timeout));
    let retention = |duration| (Attribute::MessageRetentionPeriod, seconds(duration));
    let attributes = HashMap::from([timeout.clone(), retention(14 * DAY)]);
    let dead_letters = make(connection, &dead_letter_name, attributes).await?;

    let mut attributes = HashMap::from([timeout, retention(settings.retention)]);
    if let Some(max_receive_count) = settings.max_receive_count {
        let arn = arn(connection, &dead_letters).await?;
        let policy = serde_json::json!({
            "deadLetterTargetArn": arn,
            "maxReceiveCount": max_receive_count.to_string(),
        });
        attributes.insert(Attribute::RedrivePolicy, policy.to_string());
    }
    make(connection, name, attributes).await?;
    Ok(())
}

async fn make(
    connection: &Connection,
    name: &str,
    mut attributes: HashMap<Attribute, String>,
) -> Result<Queue, TransportError> {
    if connection.is_fifo() {
        attributes.insert(Attribute::FifoQueue, "true".into());
    }
    let call = Call::new(format!("creating queue {name}"), "queue");
    let request = connection.sdk.create_queue().queue_name(name).set_attributes(Some(attributes));
    let made = request.send().await.map_err(|error| call.failed(&error))?;
    Ok(Queue { name: name.to_owned(), url: made.queue_url.unwrap_or_default() })
}

async fn arn(connection: &Connection, queue: &Queue) -> Result<String, TransportError> {
    let attributes = connection.attributes(queue, &[Attribute::QueueArn]).await?;
    Ok(attributes.get(&Attribute::QueueArn).cloned().unwrap_or_default())
}

/// Removes a queue with everything in it; its dead-letter queue stays.
pub(crate) async fn delete(connection: &Connection, name: &str) -> Result<(), TransportError> {
    let queue = connection.queue(name).await?;
    let call = Call::new(format!("deleting queue {name}"), "queue");
    let request = connection.sdk.delete_queue().queue_url(&queue.url);
    request.send().await.map_err(|error| call.failed(&error))?;
    Ok(())
}

/// Has SQS itself move the dead letters of a queue back, in the background.
pub(crate) async fn start_redrive(
    connection: &Connection,
    name: &str,
    max_per_second: Option<u32>,
) -> Result<String, TransportError> {
    let queue = connection.queue(name).await?;
    let dead_letters = connection.dead_letter_queue(&queue).await?;
    let call = Call::new(format!("redriving the dead letters of queue {name}"), "max_per_second");
    let request = connection.sdk.start_message_move_task();
    let request = request
        .source_arn(arn(connection, &dead_letters).await?)
        .destination_arn(arn(connection, &queue).await?)
        .set_max_number_of_messages_per_second(
            max_per_second.map(|max| i32::try_from(max).unwrap_or(i32::MAX)),
        );
    let started = request.send().await.map_err(|error| call.failed(&error))?;
    Ok(started.task_handle.unwrap_or_default())
}
