//! The one error of the client.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use sealmq_crypto_core::{CryptoError, CryptoErrorKind, KeyError, KeyErrorKind, ReplayError};
use sealmq_queue_core::{Message, TransportError, TransportErrorKind};

/// What went wrong, and on which side.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientErrorKind {
    /// Sealing, opening or the policy.
    Crypto(CryptoErrorKind),
    /// The broker or the adapter.
    Transport(TransportErrorKind),
    /// An argument or a part of the configuration; nothing was sent or asked.
    InvalidInput {
        /// The field to mend, in the words of the public API.
        field: &'static str,
    },
    /// The replay store did not answer; the message is as it was.
    ReplayStore,
    /// The client was closed.
    Closed,
}

/// An error of the client.
#[derive(Debug)]
pub struct ClientError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ClientErrorKind,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Crypto(CryptoError),
    Transport(TransportError),
    Replay(ReplayError),
    Reason(String),
}

impl ClientError {
    fn new(kind: ClientErrorKind, cause: Cause) -> Self {
        Self(Box::new(Inner { kind, cause }))
    }

    pub(crate) fn invalid_input(field: &'static str, reason: impl Into<String>) -> Self {
        Self::new(ClientErrorKind::InvalidInput { field }, Cause::Reason(reason.into()))
    }

    pub(crate) fn closed() -> Self {
        Self::new(ClientErrorKind::Closed, Cause::Reason("the client was closed".to_owned()))
    }

    /// What to act on.
    pub fn kind(&self) -> &ClientErrorKind {
        &self.0.kind
    }

    /// Whether the same call may succeed later. The client has retried already, as often as its
    /// policy says.
    pub fn is_retryable(&self) -> bool {
        match &self.0.cause {
            Cause::Crypto(error) => error.is_retryable(),
            Cause::Transport(error) => error.is_retryable(),
            Cause::Replay(_) => true,
            Cause::Reason(_) => false,
        }
    }

    /// How long the other side asks to be left alone, when it says so.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match &self.0.cause {
            Cause::Crypto(error) => asked_by_key_service(error),
            Cause::Transport(error) => asked_by_broker(error),
            Cause::Replay(_) | Cause::Reason(_) => None,
        }
    }
}

/// How long the broker asks to be left alone, when it says so.
pub(crate) fn asked_by_broker(error: &TransportError) -> Option<Duration> {
    match error.kind() {
        TransportErrorKind::Throttled { retry_after } => *retry_after,
        _ => None,
    }
}

/// How long the key service asks to be left alone, when it says so.
pub(crate) fn asked_by_key_service(error: &CryptoError) -> Option<Duration> {
    match error.source()?.downcast_ref::<KeyError>()?.kind() {
        KeyErrorKind::Throttled { retry_after } => *retry_after,
        _ => None,
    }
}

impl From<CryptoError> for ClientError {
    fn from(error: CryptoError) -> Self {
        Self::new(ClientErrorKind::Crypto(error.kind().clone()), Cause::Crypto(error))
    }
}

impl From<TransportError> for ClientError {
    fn from(error: TransportError) -> Self {
        Self::new(ClientErrorKind::Transport(error.kind().clone()), Cause::Transport(error))
    }
}

impl From<ReplayError> for ClientError {
    fn from(error: ReplayError) -> Self {
        Self::new(ClientErrorKind::ReplayStore, Cause::Replay(error))
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.cause {
            Cause::Crypto(error) => error.fmt(f),
            Cause::Transport(error) => error.fmt(f),
            Cause::Replay(error) => error.fmt(f),
            Cause::Reason(reason) => match &self.0.kind {
                ClientErrorKind::InvalidInput { field } => write!(f, "invalid {field}: {reason}"),
                _ => f.write_str(reason),
            },
        }
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0.cause {
            Cause::Crypto(error) => error.source(),
            Cause::Transport(error) => error.source(),
            Cause::Replay(error) => error.source(),
            Cause::Reason(_) => None,
        }
    }
}

/// A message that was not sent, given back as it came, with the reason.
#[derive(Debug)]
pub struct FailedSend {
    /// Why.
    pub error: ClientError,
    /// The message, as it was given to the client: not sealed.
    pub message: Box<Message>,
}

impl fmt::Display for FailedSend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {} was not sent", self.message.id)
    }
}

impl Error for FailedSend {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}
