//! The one error of key stores and key services.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sealmq_settings::InvalidSetting;

/// What went wrong, in terms a caller can act on.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyErrorKind {
    /// There is no such key, version or tenant, or it was shredded.
    KeyNotFound,
    /// The credentials or the policy do not allow the operation.
    Denied,
    /// The key exists and is switched off.
    Disabled,
    /// The service asks to slow down.
    Throttled {
        /// How long it asks to wait, when it says so.
        retry_after: Option<Duration>,
    },
    /// The service could not be reached, did not answer in time or failed.
    Unavailable,
    /// A stored key, wrapped DEK or answer is not of the form it should have.
    Malformed,
    /// The wrapped DEK was made for another context, tenant or KEK, or was changed.
    ContextMismatch,
    /// The wrapped DEK names a key version that is not there.
    WrongKeyVersion,
    /// An argument or a configuration is not acceptable; no I/O was done.
    InvalidInput {
        /// The field to mend, in the words of the public API.
        field: &'static str,
    },
}

/// An error of a key store or key service.
///
/// `Display` is one clause and never holds key material or a credential.
#[derive(Clone)]
pub struct KeyError {
    kind: KeyErrorKind,
    context: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl KeyError {
    /// An error of this kind; `context` names the operation and its object and holds no secret.
    pub fn new(kind: KeyErrorKind, context: impl Into<String>) -> Self {
        Self { kind, context: context.into(), source: None }
    }

    /// `InvalidInput` for `field`, with the reason as context.
    pub fn invalid_input(field: &'static str, reason: impl Into<String>) -> Self {
        Self::new(KeyErrorKind::InvalidInput { field }, reason)
    }

    /// The same error with the adapter's own error behind it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// What to act on.
    pub fn kind(&self) -> &KeyErrorKind {
        &self.kind
    }

    /// Whether the same call may succeed later without a change.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, KeyErrorKind::Unavailable | KeyErrorKind::Throttled { .. })
    }
}

impl From<InvalidSetting> for KeyError {
    fn from(mut invalid: InvalidSetting) -> Self {
        let source = invalid.take_source();
        let error = Self::invalid_input(invalid.variable, invalid.reason);
        source.into_iter().fold(error, Self::with_source)
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use KeyErrorKind as K;
        match &self.kind {
            K::KeyNotFound => write!(f, "key not found")?,
            K::Denied => write!(f, "denied by the key service")?,
            K::Disabled => write!(f, "the key is disabled")?,
            K::Throttled { retry_after: Some(after) } => {
                write!(f, "throttled by the key service for {} ms", after.as_millis())?;
            }
            K::Throttled { retry_after: None } => write!(f, "throttled by the key service")?,
            K::Unavailable => write!(f, "the key service is unavailable")?,
            K::Malformed => write!(f, "malformed key material")?,
            K::ContextMismatch => write!(f, "the wrapped key does not belong to this context")?,
            K::WrongKeyVersion => write!(f, "the wrapped key names an absent key version")?,
            K::InvalidInput { field } => write!(f, "invalid {field}")?,
        }
        if self.context.is_empty() { Ok(()) } else { write!(f, ": {}", self.context) }
    }
}

impl fmt::Debug for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyError")
            .field("kind", &self.kind)
            .field("context", &self.context)
            .field("source", &self.source.as_ref().map(ToString::to_string))
            .finish()
    }
}

impl Error for KeyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
