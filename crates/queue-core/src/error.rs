//! The one error of every transport: a kind to act on, a context to read, a source to dig into.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sealmq_settings::InvalidSetting;

/// What went wrong, in terms a caller can act on.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransportErrorKind {
    /// The queue, session or message does not exist.
    NotFound,
    /// The broker refused the credentials or the permission, or one side does not trust the
    /// other's certificate.
    Denied,
    /// The broker could not be reached or did not answer in time.
    Unavailable,
    /// The broker, or a bounded queue, is over its limit for now.
    Throttled {
        /// How long the broker asks to wait, when it says so.
        retry_after: Option<Duration>,
    },
    /// The message or batch is over the transport's limit; nothing was sent.
    TooLarge {
        /// Size of what was to be sent, in bytes as the broker counts them.
        size_bytes: usize,
        /// The limit it is over, in bytes.
        limit_bytes: usize,
    },
    /// A field of the message or of the call is not acceptable; nothing was sent.
    InvalidInput {
        /// The field to mend, in the words of the public API.
        field: &'static str,
    },
    /// The transport has no such feature; nothing was sent.
    Unsupported {
        /// The feature that was asked for.
        feature: &'static str,
    },
    /// The lock had expired or was taken over before the settlement; the message will come again.
    LockLost,
    /// Another receiver holds the session.
    SessionLocked,
    /// The transport or receiver was closed.
    Closed,
}

/// An error of a transport.
///
/// `Display` is one clause and never holds a body, a header value or a credential.
#[derive(Clone)]
pub struct TransportError {
    kind: TransportErrorKind,
    context: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl TransportError {
    /// An error of this kind; `context` names the operation and its object and holds no secret.
    pub fn new(kind: TransportErrorKind, context: impl Into<String>) -> Self {
        Self { kind, context: context.into(), source: None }
    }

    /// The same error with the adapter's own error behind it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// `InvalidInput` for `field`, with the reason as context.
    pub fn invalid_input(field: &'static str, reason: impl Into<String>) -> Self {
        Self::new(TransportErrorKind::InvalidInput { field }, reason)
    }

    /// `Unsupported` for `feature` on the transport called `transport`.
    pub fn unsupported(transport: &str, feature: &'static str) -> Self {
        Self::new(TransportErrorKind::Unsupported { feature }, format!("transport {transport}"))
    }

    /// `Closed`, with what was closed.
    pub fn closed(what: &str) -> Self {
        Self::new(TransportErrorKind::Closed, what)
    }

    /// What to act on.
    pub fn kind(&self) -> &TransportErrorKind {
        &self.kind
    }

    /// Whether the same call may succeed later without a change.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, TransportErrorKind::Unavailable | TransportErrorKind::Throttled { .. })
    }
}

impl From<InvalidSetting> for TransportError {
    fn from(mut invalid: InvalidSetting) -> Self {
        let source = invalid.take_source();
        let error = Self::invalid_input(invalid.variable, invalid.reason);
        source.into_iter().fold(error, Self::with_source)
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use TransportErrorKind as K;
        match &self.kind {
            K::NotFound => write!(f, "not found")?,
            K::Denied => write!(f, "denied by the broker")?,
            K::Unavailable => write!(f, "broker unavailable")?,
            K::Throttled { retry_after: Some(after) } => {
                write!(f, "over the broker's limit, retry after {} ms", after.as_millis())?;
            }
            K::Throttled { retry_after: None } => write!(f, "over the broker's limit")?,
            K::TooLarge { size_bytes, limit_bytes } => {
                write!(f, "too large: {size_bytes} bytes, the limit is {limit_bytes}")?;
            }
            K::InvalidInput { field } => write!(f, "invalid {field}")?,
            K::Unsupported { feature } => write!(f, "{feature} is not supported")?,
            K::LockLost => write!(f, "the lock on the message was lost")?,
            K::SessionLocked => write!(f, "the session is held by another receiver")?,
            K::Closed => write!(f, "closed")?,
        }
        if self.context.is_empty() { Ok(()) } else { write!(f, ": {}", self.context) }
    }
}

impl fmt::Debug for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportError")
            .field("kind", &self.kind)
            .field("context", &self.context)
            .field("source", &self.source.as_ref().map(ToString::to_string))
            .finish()
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
