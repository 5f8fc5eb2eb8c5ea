//! A message as it travels: an opaque body and cleartext metadata the broker may read.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use crate::{Capabilities, Feature, TransportError, TransportErrorKind};

/// Cleartext attributes, ordered by name.
pub type Attributes = BTreeMap<String, String>;

/// The longest message id or session id that every broker takes, in bytes.
const MAX_ID_BYTES: usize = 128;

/// A fresh message id: a `UUIDv7`, so ids sort by the time they were made.
pub fn new_message_id() -> String {
    Uuid::now_v7().to_string()
}

/// A message to send, or one that was received.
///
/// Everything but `body` is cleartext to the broker and to whoever can read the queue.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The sender's own id: the broker's deduplication id where it has one. 1 to 128 bytes.
    pub id: String,
    /// Opaque bytes.
    pub body: Bytes,
    /// Session or ordered group the message belongs to. 1 to 128 bytes.
    pub session_id: Option<String>,
    /// Id of the message this one answers.
    pub correlation_id: Option<String>,
    /// Queue that answers go to.
    pub reply_to: Option<String>,
    /// The application's name for what the body is.
    pub message_type: Option<String>,
    /// MIME type of the body.
    pub content_type: Option<String>,
    /// Further cleartext attributes.
    pub attributes: Attributes,
    /// How long the message may wait in the queue before it expires.
    pub time_to_live: Option<Duration>,
    /// How long the broker holds the message back before it can be received.
    pub delay: Option<Duration>,
}

impl Message {
    /// A message with this body, a fresh id and no metadata.
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self::with_id(new_message_id(), body)
    }

    /// A message with this id and body and no metadata.
    pub fn with_id(id: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self {
            id: id.into(),
            body: body.into(),
            session_id: None,
            correlation_id: None,
            reply_to: None,
            message_type: None,
            content_type: None,
            attributes: Attributes::new(),
            time_to_live: None,
            delay: None,
        }
    }

    /// The same message in this session or ordered group.
    #[must_use]
    pub fn with_session_id(mut self, session_id: impl Into<String>) -> Self {
        self.session_id = Some(session_id.into());
        self
    }

    /// The same message, answering the message with this id.
    #[must_use]
    pub fn with_correlation_id(mut self, correlation_id: impl Into<String>) -> Self {
        self.correlation_id = Some(correlation_id.into());
        self
    }

    /// The same message, asking for answers to this queue.
    #[must_use]
    pub fn with_reply_to(mut self, reply_to: impl Into<String>) -> Self {
        self.reply_to = Some(reply_to.into());
        self
    }

    /// The same message with the application's name for what it is.
    #[must_use]
    pub fn with_message_type(mut self, message_type: impl Into<String>) -> Self {
        self.message_type = Some(message_type.into());
        self
    }

    /// The same message with the MIME type of its body.
    #[must_use]
    pub fn with_content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// The same message with one more attribute; a second value for a name replaces the first.
    #[must_use]
    pub fn with_attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// The same message, expiring this long after it was accepted.
    #[must_use]
    pub fn with_time_to_live(mut self, time_to_live: Duration) -> Self {
        self.time_to_live = Some(time_to_live);
        self
    }

    /// The same message, held back this long after it was accepted.
    #[must_use]
    pub fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Bytes of all metadata, names included, as brokers count them towards their size limit.
    pub fn metadata_bytes(&self) -> usize {
        let fields = [
            &self.session_id,
            &self.correlation_id,
            &self.reply_to,
            &self.message_type,
            &self.content_type,
        ];
        self.id.len()
            + fields.into_iter().flatten().map(String::len).sum::<usize>()
            + self.attributes.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
    }

    /// Checks the message against what a transport can carry, before any I/O.
    ///
    /// # Errors
    /// `InvalidInput` names the field that is not acceptable, `TooLarge` gives size and limit,
    /// `Unsupported` names a feature the transport does not have. All are permanent.
    pub fn validate(&self, capabilities: &Capabilities) -> Result<(), TransportError> {
        check_id("id", &self.id)?;
        if let Some(session_id) = &self.session_id {
            check_id("session_id", session_id)?;
        }
        let texts = [
            ("correlation_id", &self.correlation_id),
            ("reply_to", &self.reply_to),
            ("message_type", &self.message_type),
            ("content_type", &self.content_type),
        ];
        for (field, text) in texts {
            if text.as_deref().is_some_and(|text| text.chars().any(char::is_control)) {
                return Err(TransportError::invalid_input(field, "holds a control character"));
            }
        }
        self.check_attributes(capabilities)?;
        if self.time_to_live.is_some() {
            capabilities.require(Feature::TimeToLive)?;
        }
        self.check_delay(capabilities)?;
        let limit_bytes = capabilities.limits.max_body_bytes(self.metadata_bytes());
        if self.body.len() > limit_bytes {
            let kind = TransportErrorKind::TooLarge { size_bytes: self.body.len(), limit_bytes };
            return Err(TransportError::new(kind, format!("body of message {}", self.id)));
        }
        Ok(())
    }

    fn check_attributes(&self, capabilities: &Capabilities) -> Result<(), TransportError> {
        let limits = &capabilities.limits;
        if self.attributes.len() > limits.max_attributes {
            let reason =
                format!("{} attributes, at most {}", self.attributes.len(), limits.max_attributes);
            return Err(TransportError::invalid_input("attributes", reason));
        }
        for (name, value) in &self.attributes {
            if !is_portable_attribute_name(name) {
                let reason =
                    "names are 1 to 64 of A-Z a-z 0-9 _ - . and do not begin with AWS. or Amazon.";
                return Err(TransportError::invalid_input("attributes", reason));
            }
            // U+FFFE and U+FFFF are no XML characters: SQS refuses them.
            let carried =
                |c: char| (!c.is_control() || c == '\t') && c != '\u{FFFE}' && c != '\u{FFFF}';
            let text_ok = value.chars().all(carried);
            if !text_ok || (value.is_empty() && !limits.empty_attribute_values) {
                let reason = format!("value of {name} is empty or holds a control character");
                return Err(TransportError::invalid_input("attributes", reason));
            }
        }
        Ok(())
    }

    fn check_delay(&self, capabilities: &Capabilities) -> Result<(), TransportError> {
        let Some(delay) = self.delay else {
            return Ok(());
        };
        capabilities.require(Feature::ScheduledSend)?;
        if delay > capabilities.limits.max_delay {
            let max = capabilities.limits.max_delay.as_secs();
            return Err(TransportError::invalid_input("delay", format!("at most {max} s")));
        }
        Ok(())
    }
}

/// Shows the metadata and the size of the body, never the body.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("body_bytes", &self.body.len())
            .field("session_id", &self.session_id)
            .field("correlation_id", &self.correlation_id)
            .field("attribute_names", &self.attributes.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

fn check_id(field: &'static str, id: &str) -> Result<(), TransportError> {
    if id.is_empty() || id.len() > MAX_ID_BYTES {
        return Err(TransportError::invalid_input(field, format!("1 to {MAX_ID_BYTES} bytes")));
    }
    if !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(TransportError::invalid_input(field, "printable ASCII without spaces only"));
    }
    Ok(())
}

/// The names that SQS, Service Bus and NATS all carry unchanged.
fn is_portable_attribute_name(name: &str) -> bool {
    let portable = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let lower = name.to_ascii_lowercase();
    (1..=64).contains(&name.len())
        && name.bytes().all(portable)
        && !lower.starts_with("aws.")
        && !lower.starts_with("amazon.")
}
