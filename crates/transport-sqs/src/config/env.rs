//! The configuration from settings: the environment, or a configuration file.
//!
//! Credentials are no settings: they come from the AWS default chain, which has variables of its
//! own.

use std::time::Duration;

use sealmq_aws::AwsConnection;
use sealmq_queue_core::TransportError;
use sealmq_settings::{InvalidSetting, Kind, Setting, Settings};
use sealmq_tls::tls_settings;

use super::{QueueType, SqsConfig};

const ENDPOINT: &str = "SEALMQ_SQS_ENDPOINT";
const REGION: &str = "SEALMQ_SQS_REGION";
const REQUEST_TIMEOUT: &str = "SEALMQ_SQS_REQUEST_TIMEOUT_MS";
const QUEUE_TYPE: &str = "SEALMQ_SQS_QUEUE_TYPE";
const QUEUE_OWNER: &str = "SEALMQ_SQS_QUEUE_OWNER";
const DEAD_LETTER_SUFFIX: &str = "SEALMQ_SQS_DEAD_LETTER_SUFFIX";
const POLL_WAIT: &str = "SEALMQ_SQS_POLL_WAIT_SECONDS";

const TLS: [Setting; 5] = tls_settings!("SEALMQ_SQS_");

impl SqsConfig {
    /// The settings that [`SqsConfig::from_env`] reads.
    pub const SETTINGS: &'static [&'static [Setting]] = &[
        &[
            Setting::new(ENDPOINT, Kind::Text, "the endpoint of SQS; the region's own"),
            Setting::new(REGION, Kind::Text, "the region; as the AWS tools find it"),
            Setting::new(
                REQUEST_TIMEOUT,
                Kind::Milliseconds,
                "for a request, beyond what it waits for messages; 5000",
            ),
            Setting::new(
                QUEUE_TYPE,
                Kind::Choice(&["standard", "fifo"]),
                "the type of the queues; standard",
            ),
            Setting::new(QUEUE_OWNER, Kind::Text, "the account of the queues; one's own"),
            Setting::new(
                DEAD_LETTER_SUFFIX,
                Kind::Text,
                "what follows a queue's name for its dead-letter queue; -dlq",
            ),
            Setting::new(POLL_WAIT, Kind::Number, "seconds that a request waits, 0 to 20; 20"),
        ],
        &TLS,
    ];

    /// The configuration from the environment: [`SqsConfig::SETTINGS`].
    ///
    /// # Errors
    /// `InvalidInput` names the variable or field that is not acceptable.
    pub fn from_env() -> Result<Self, TransportError> {
        Self::from_settings(&Settings::from_env())
    }

    /// The configuration from [`SqsConfig::SETTINGS`], wherever they are kept.
    ///
    /// # Errors
    /// As [`SqsConfig::from_env`].
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, TransportError> {
        let config = Self::read(settings)?;
        config.validate()?;
        Ok(config)
    }

    fn read(settings: &Settings<'_>) -> Result<Self, InvalidSetting> {
        let mut config = Self::new();
        let names = [ENDPOINT, REGION, REQUEST_TIMEOUT];
        config.connection = AwsConnection::from_settings(settings, names, &TLS)?;
        let types = [("standard", QueueType::Standard), ("fifo", QueueType::Fifo)];
        if let Some(queue_type) = settings.choice(QUEUE_TYPE, &types)? {
            config.queue_type = *queue_type;
        }
        config.queue_owner = settings.get(QUEUE_OWNER);
        if let Some(suffix) = settings.get(DEAD_LETTER_SUFFIX) {
            config.dead_letter_suffix = suffix;
        }
        if let Some(seconds) = settings.number(POLL_WAIT)? {
            config.poll_wait = Duration::from_secs(seconds);
        }
        Ok(config)
    }
}
