//! What becomes of messages on their way in that are not handed out at once.

use std::time::Duration;

use sealmq_crypto_core::CryptoError;
use sealmq_queue_core::Message;
use tokio::sync::oneshot;

use crate::bodies::Opened;
use crate::error::asked_by_key_service;
use crate::incoming::ReceivedMessage;
use crate::receipt::MessageReceipt;

/// Why a message is not handed out.
pub(crate) enum Refusal {
    Error(CryptoError),
    /// The same copy was completed before; the broker has not heard of it.
    CompletedBefore,
    /// An earlier delivery of the same copy is still worked on.
    InHand,
}

/// A message that is not handed out, with the right to settle it.
pub(crate) struct Unopened {
    pub(crate) message: Message,
    pub(crate) receipt: MessageReceipt,
    pub(crate) refusal: Refusal,
}

impl Refusal {
    /// What the message waits for, or the refusal where waiting does not help.
    pub(crate) fn may_pass(self) -> Result<Waiting, Self> {
        match self {
            Self::Error(error) if error.is_retryable() => Ok(Waiting::After(error)),
            Self::InHand => Ok(Waiting::Behind),
            Self::Error(_) | Self::CompletedBefore => Err(self),
        }
    }
}

/// The error of a copy that is given back because an earlier delivery of it is still worked on.
pub(crate) fn in_hand() -> CryptoError {
    CryptoError::unavailable("an earlier delivery of it is still worked on")
}

impl From<CryptoError> for Refusal {
    fn from(error: CryptoError) -> Self {
        Self::Error(error)
    }
}

/// What a batch that is still being opened will have made of one body.
pub(crate) struct Awaited(pub(crate) oneshot::Receiver<Result<Opened, CryptoError>>);

/// What a message waits for that may open later.
pub(crate) enum Waiting {
    /// For its batch, which is still being opened.
    For(Awaited),
    /// To be tried again, after this.
    After(CryptoError),
    /// For an earlier delivery of the same copy.
    Behind,
}

/// A message that may open later.
pub(crate) struct Undecided {
    pub(crate) message: Message,
    pub(crate) receipt: MessageReceipt,
    pub(crate) waiting: Waiting,
}

/// What became of a batch within the patience of a processor.
#[derive(Default)]
pub(crate) struct OpenedBatch {
    pub(crate) admitted: Vec<ReceivedMessage>,
    pub(crate) undecided: Vec<Undecided>,
    pub(crate) refused: Vec<Unopened>,
}

impl Waiting {
    /// How long the key service asked to be left alone.
    pub(crate) fn asked_to_wait(&self) -> Option<Duration> {
        match self {
            Self::After(error) => asked_by_key_service(error),
            Self::For(_) | Self::Behind => None,
        }
    }

    /// Why the message is not open.
    pub(crate) fn into_error(self) -> CryptoError {
        match self {
            Self::For(_) => CryptoError::unavailable("its key was asked for and not had in time"),
            Self::After(error) => error,
            Self::Behind => in_hand(),
        }
    }
}

impl From<Undecided> for Unopened {
    fn from(Undecided { message, receipt, waiting }: Undecided) -> Self {
        let refusal = match waiting {
            Waiting::Behind => Refusal::InHand,
            Waiting::For(_) | Waiting::After(_) => waiting.into_error().into(),
        };
        Self { message, receipt, refusal }
    }
}
