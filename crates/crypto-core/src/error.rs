//! The one error of sealing and opening.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::format::KeyReference;
use crate::keys::{KeyError, KeyErrorKind};

/// What went wrong, in terms a caller can act on.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CryptoErrorKind {
    /// Tag, commitment or context did not match. There is no further detail, on purpose: a
    /// difference between the three would be an oracle.
    AuthenticationFailed,
    /// The frame names a key that is not among the receiver's own.
    KeyNotFound {
        /// The key id or KEK alias of the frame.
        key_id: String,
    },
    /// The message is authentic and older than the policy accepts.
    MessageExpired {
        /// When it was sealed, in Unix milliseconds.
        encrypted_at_ms: u64,
        /// How old it is.
        age: Duration,
        /// The limit it is over.
        max_age: Duration,
    },
    /// The message is authentic and was sealed further in the future than clocks may differ.
    MessageFromFuture {
        /// When it was sealed, in Unix milliseconds.
        encrypted_at_ms: u64,
        /// How far that lies ahead.
        ahead: Duration,
        /// The limit it is over.
        max_skew: Duration,
    },
    /// The frame's version or suite is not one that this receiver opens.
    Unsupported {
        /// `version` or `suite`.
        field: &'static str,
        /// The byte found there.
        value: u8,
    },
    /// The body begins with the marker and is not a frame.
    Malformed {
        /// The rule it breaks.
        reason: &'static str,
    },
    /// The message is authentic and was seen before under another identity, or was completed.
    Replayed,
    /// A plaintext arrived, or was about to be sent, where the policy refuses plaintexts.
    PlaintextRejected,
    /// No key material for now: the key service, the replay store or the random source did not
    /// serve. Says nothing about the message.
    KeyUnavailable,
    /// A context, configuration or argument is not acceptable.
    InvalidInput {
        /// The field to mend, in the words of the public API.
        field: &'static str,
    },
}

/// Stable names of error kinds, for metric labels, reason codes and vectors.
pub trait ErrorKindCode {
    /// A short `snake_case` name that never changes.
    fn code(&self) -> &'static str;
}

impl ErrorKindCode for CryptoErrorKind {
    fn code(&self) -> &'static str {
        match self {
            Self::AuthenticationFailed => "authentication_failed",
            Self::KeyNotFound { .. } => "key_not_found",
            Self::MessageExpired { .. } => "message_expired",
            Self::MessageFromFuture { .. } => "message_from_future",
            Self::Unsupported { field: "version", .. } => "unsupported_version",
            Self::Unsupported { .. } => "unsupported_suite",
            Self::Malformed { .. } => "malformed",
            Self::Replayed => "replayed",
            Self::PlaintextRejected => "plaintext_rejected",
            Self::KeyUnavailable => "key_unavailable",
            Self::InvalidInput { .. } => "invalid_input",
        }
    }
}

/// An error of sealing or opening.
///
/// `Display` is one clause and never holds a key, a plaintext or a ciphertext.
#[derive(Clone)]
pub struct CryptoError {
    kind: CryptoErrorKind,
    context: Option<Box<str>>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl CryptoError {
    /// An error of this kind.
    pub fn new(kind: CryptoErrorKind) -> Self {
        Self { kind, context: None, source: None }
    }

    /// `InvalidInput` for `field`, with the reason.
    pub fn invalid_input(field: &'static str, reason: impl Into<String>) -> Self {
        let context = Some(reason.into().into_boxed_str());
        Self { kind: CryptoErrorKind::InvalidInput { field }, context, source: None }
    }

    /// `KeyUnavailable`, with what was unavailable.
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source = Some(Arc::from(source.into()));
        Self { kind: CryptoErrorKind::KeyUnavailable, context: None, source }
    }

    pub(crate) fn malformed(reason: &'static str) -> Self {
        Self::new(CryptoErrorKind::Malformed { reason })
    }

    pub(crate) fn authentication_failed() -> Self {
        Self::new(CryptoErrorKind::AuthenticationFailed)
    }

    /// What to act on.
    pub fn kind(&self) -> &CryptoErrorKind {
        &self.kind
    }

    /// The stable name of the kind: metric label and dead-letter reason.
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// Whether the same call may succeed later. Such an error says nothing about the message,
    /// which must not be dead-lettered for it.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, CryptoErrorKind::KeyUnavailable)
    }
}

/// How a key error looks to the one who opens a message with the key that `reference` names.
pub(crate) fn opening_error(error: KeyError, reference: &KeyReference<'_>) -> CryptoError {
    use KeyErrorKind as K;
    match (error.kind(), reference) {
        (K::KeyNotFound, _) => {
            CryptoError::new(CryptoErrorKind::KeyNotFound { key_id: reference.label().to_owned() })
        }
        // The wrapped DEK is part of the frame: one that does not unwrap is a frame that was
        // changed or that belongs elsewhere. A named key that is malformed is the store's fault.
        (K::ContextMismatch | K::Malformed | K::WrongKeyVersion, KeyReference::Wrapped(_)) => {
            CryptoError::authentication_failed()
        }
        _ => CryptoError::unavailable(error),
    }
}

impl fmt::Display for CryptoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use CryptoErrorKind as K;
        match &self.kind {
            K::AuthenticationFailed => write!(f, "the message could not be authenticated")?,
            K::KeyNotFound { key_id } => write!(f, "key {key_id:?} is not known here")?,
            K::MessageExpired { encrypted_at_ms, age, max_age } => write!(
                f,
                "sealed at {encrypted_at_ms} ms since 1970, {} s ago: older than the limit of {} s",
                age.as_secs(),
                max_age.as_secs()
            )?,
            K::MessageFromFuture { encrypted_at_ms, ahead, max_skew } => write!(
                f,
                "sealed at {encrypted_at_ms} ms since 1970, {} s in the future: further than the limit of {} s",
                ahead.as_secs(),
                max_skew.as_secs()
            )?,
            K::Unsupported { field, value } => write!(f, "unsupported {field} {value:#04x}")?,
            K::Malformed { reason } => write!(f, "malformed frame: {reason}")?,
            K::Replayed => write!(f, "the message was delivered before")?,
            K::PlaintextRejected => write!(f, "plaintext is refused by policy")?,
            K::KeyUnavailable => write!(f, "key material is unavailable for now")?,
            K::InvalidInput { field } => write!(f, "invalid {field}")?,
        }
        self.context.as_ref().map_or(Ok(()), |context| write!(f, ": {context}"))
    }
}

impl fmt::Debug for CryptoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CryptoError")
            .field("kind", &self.kind)
            .field("context", &self.context)
            .field("source", &self.source.as_ref().map(ToString::to_string))
            .finish()
    }
}

impl Error for CryptoError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
