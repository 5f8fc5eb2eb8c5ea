//! The context of a message: what its ciphertext is bound to.

use std::sync::Arc;

use crate::error::CryptoError;
use crate::keys::{KeyError, TenantId, WrapContext};

/// The longest value of one context field, in bytes (its length is a `u16` on the wire).
pub const MAX_CONTEXT_VALUE_BYTES: usize = u16::MAX as usize;

const TAG_ENVIRONMENT: u8 = 1;
const TAG_TENANT: u8 = 2;
const TAG_QUEUE: u8 = 3;
const TAG_MESSAGE_TYPE: u8 = 4;
const TAG_CONTENT_TYPE: u8 = 5;
const TAG_MESSAGE_ID: u8 = 6;
const TAG_SESSION_ID: u8 = 7;
const TAG_CORRELATION_ID: u8 = 8;
const TAG_REPLY_TO: u8 = 9;
const TAG_ATTRIBUTE: u8 = 64;

/// The part of the context that comes from configuration: environment, tenant, logical queue.
///
/// Never read from a message: a frame that was moved to another queue, tenant or environment
/// meets another scope there and does not open.
#[derive(Debug, Clone)]
pub struct ContextScope {
    environment: Option<String>,
    tenant: Option<String>,
    queue: String,
    encoded: Vec<u8>,
    wrap_context: Result<WrapContext, KeyError>,
}

impl PartialEq for ContextScope {
    fn eq(&self, other: &Self) -> bool {
        self.encoded == other.encoded
    }
}

impl Eq for ContextScope {}

impl ContextScope {
    /// The scope of a logical queue. Absent and empty differ.
    ///
    /// # Errors
    /// `InvalidInput` names the field that is over [`MAX_CONTEXT_VALUE_BYTES`], or
    /// `logical_queue` when it is empty: that would bind a message to no queue at all.
    pub fn new(
        environment: Option<&str>,
        tenant: Option<&str>,
        queue: &str,
    ) -> Result<Self, CryptoError> {
        refuse_empty("logical_queue", queue)?;
        let mut encoded = Vec::with_capacity(64);
        if let Some(environment) = environment {
            push_field(&mut encoded, TAG_ENVIRONMENT, "environment", environment.as_bytes())?;
        }
        if let Some(tenant) = tenant {
            push_field(&mut encoded, TAG_TENANT, "tenant", tenant.as_bytes())?;
        }
        push_field(&mut encoded, TAG_QUEUE, "logical_queue", queue.as_bytes())?;
        let wrap_context = TenantId::new(tenant.unwrap_or(WrapContext::DEFAULT_TENANT))
            .map(|tenant| WrapContext::new(environment, tenant, queue));
        let (environment, tenant) = (environment.map(Into::into), tenant.map(Into::into));
        Ok(Self { environment, tenant, queue: queue.into(), encoded, wrap_context })
    }

    /// The deployment the queue belongs to.
    pub fn environment(&self) -> Option<&str> {
        self.environment.as_deref()
    }

    /// The tenant the queue belongs to.
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// The logical name of the queue: the same on every transport and in its dead-letter queue.
    pub fn queue(&self) -> &str {
        &self.queue
    }

    /// What the wrap of this queue's DEKs is bound to: its DEKs serve no other queue.
    ///
    /// # Errors
    /// `InvalidInput` when the tenant is no [`TenantId`], as key services need one.
    pub fn wrap_context(&self) -> Result<&WrapContext, KeyError> {
        self.wrap_context.as_ref().map_err(Clone::clone)
    }
}

/// Everything a message is bound to: its scope and its cleartext metadata.
///
/// Encoded as `tag u8 | len u16 | bytes` in ascending order of tags; attributes (tag 64) sorted
/// by the bytes of their names. Bytes are compared as they are: no Unicode normalisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptionContext {
    scope: Arc<ContextScope>,
    encoded_message: Vec<u8>,
}

impl EncryptionContext {
    /// Begins the context of the message `message_id` in `scope`.
    pub fn builder<'a>(
        scope: &Arc<ContextScope>,
        message_id: &'a str,
    ) -> EncryptionContextBuilder<'a> {
        EncryptionContextBuilder {
            scope: Arc::clone(scope),
            message_id,
            message_type: None,
            content_type: None,
            session_id: None,
            correlation_id: None,
            reply_to: None,
            attributes: Vec::new(),
        }
    }

    /// The scope the message belongs to.
    pub fn scope(&self) -> &ContextScope {
        &self.scope
    }

    /// The encoded context, in the two parts that stand one after the other.
    pub(crate) fn parts(&self) -> [&[u8]; 2] {
        [&self.scope.encoded, &self.encoded_message]
    }
}

/// Collects the metadata of one message.
#[derive(Debug, Clone)]
pub struct EncryptionContextBuilder<'a> {
    scope: Arc<ContextScope>,
    message_id: &'a str,
    message_type: Option<&'a str>,
    content_type: Option<&'a str>,
    session_id: Option<&'a str>,
    correlation_id: Option<&'a str>,
    reply_to: Option<&'a str>,
    attributes: Vec<(&'a str, &'a str)>,
}

impl<'a> EncryptionContextBuilder<'a> {
    /// Binds the message type. Absent and empty differ.
    #[must_use]
    pub fn message_type(mut self, message_type: Option<&'a str>) -> Self {
        self.message_type = message_type;
        self
    }

    /// Binds the content type. Absent and empty differ.
    #[must_use]
    pub fn content_type(mut self, content_type: Option<&'a str>) -> Self {
        self.content_type = content_type;
        self
    }

    /// Binds the session id. Absent and empty differ.
    #[must_use]
    pub fn session_id(mut self, session_id: Option<&'a str>) -> Self {
        self.session_id = session_id;
        self
    }

    /// Binds the correlation id. Absent and empty differ.
    #[must_use]
    pub fn correlation_id(mut self, correlation_id: Option<&'a str>) -> Self {
        self.correlation_id = correlation_id;
        self
    }

    /// Binds the reply-to queue. Absent and empty differ.
    #[must_use]
    pub fn reply_to(mut self, reply_to: Option<&'a str>) -> Self {
        self.reply_to = reply_to;
        self
    }

    /// Binds one user attribute. The order of calls does not matter.
    #[must_use]
    pub fn attribute(mut self, name: &'a str, value: &'a str) -> Self {
        self.attributes.push((name, value));
        self
    }

    /// The finished context.
    ///
    /// # Errors
    /// `InvalidInput` names a field over [`MAX_CONTEXT_VALUE_BYTES`], `message_id` when it is
    /// empty, or `attributes` when a name is empty, stands twice or holds a comma or a control
    /// character.
    pub fn build(mut self) -> Result<EncryptionContext, CryptoError> {
        refuse_empty("message_id", self.message_id)?;
        let mut encoded = Vec::with_capacity(self.encoded_len());
        let fields = [
            (TAG_MESSAGE_TYPE, "message_type", self.message_type),
            (TAG_CONTENT_TYPE, "content_type", self.content_type),
            (TAG_MESSAGE_ID, "message_id", Some(self.message_id)),
            (TAG_SESSION_ID, "session_id", self.session_id),
            (TAG_CORRELATION_ID, "correlation_id", self.correlation_id),
            (TAG_REPLY_TO, "reply_to", self.reply_to),
        ];
        for (tag, field, value) in fields {
            if let Some(value) = value {
                push_field(&mut encoded, tag, field, value.as_bytes())?;
            }
        }
        self.attributes.sort_unstable_by_key(|(name, _)| name.as_bytes());
        if self.attributes.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(CryptoError::invalid_input("attributes", "a name stands twice"));
        }
        for (name, value) in &self.attributes {
            push_attribute(&mut encoded, name, value)?;
        }
        Ok(EncryptionContext { scope: self.scope, encoded_message: encoded })
    }

    fn encoded_len(&self) -> usize {
        let fields = [
            self.message_type,
            self.content_type,
            self.session_id,
            self.correlation_id,
            self.reply_to,
        ];
        3 + self.message_id.len()
            + fields.into_iter().flatten().map(|value| 3 + value.len()).sum::<usize>()
            + self.attributes.iter().map(|(n, v)| 7 + n.len() + v.len()).sum::<usize>()
    }
}

fn refuse_empty(field: &'static str, value: &str) -> Result<(), CryptoError> {
    if value.is_empty() {
        return Err(CryptoError::invalid_input(field, "empty"));
    }
    Ok(())
}

fn push_field(
    encoded: &mut Vec<u8>,
    tag: u8,
    field: &'static str,
    value: &[u8],
) -> Result<(), CryptoError> {
    encoded.push(tag);
    encoded.extend_from_slice(&length_prefix(field, value.len())?);
    encoded.extend_from_slice(value);
    Ok(())
}

fn push_attribute(encoded: &mut Vec<u8>, name: &str, value: &str) -> Result<(), CryptoError> {
    if name.is_empty() {
        return Err(CryptoError::invalid_input("attributes", "a name is empty"));
    }
    // The names travel as one comma-separated list in a transport's own header.
    if name.contains(|c: char| c == ',' || c.is_control()) {
        let reason = "a name holds a comma or a control character";
        return Err(CryptoError::invalid_input("attributes", reason));
    }
    let inner_len = name.len().saturating_add(value.len()).saturating_add(4);
    encoded.push(TAG_ATTRIBUTE);
    encoded.extend_from_slice(&length_prefix("attributes", inner_len)?);
    for part in [name, value] {
        encoded.extend_from_slice(&length_prefix("attributes", part.len())?);
        encoded.extend_from_slice(part.as_bytes());
    }
    Ok(())
}

fn length_prefix(field: &'static str, len: usize) -> Result<[u8; 2], CryptoError> {
    u16::try_from(len).map(u16::to_be_bytes).map_err(|_| {
        let reason = format!("{len} bytes, at most {MAX_CONTEXT_VALUE_BYTES}");
        CryptoError::invalid_input(field, reason)
    })
}
