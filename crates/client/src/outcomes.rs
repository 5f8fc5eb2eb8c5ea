//! What becomes of messages on their way in that are not handed out at once.

use sealmq_crypto_core::CryptoError;
use sealmq_queue_core::Message;
use tokio::sync::oneshot;

use crate::bodies::Opened;
use crate::incoming::ReceivedMessage;
use crate::receipt::MessageReceipt;

/// Why a message is not handed out.
pub(crate) enum Refusal {
    Error(CryptoError),
    /// The same copy was completed before; the broker has not heard of it.
    CompletedBefore,
}

/// A message that is not handed out, with the right to settle it.
pub(crate) struct Unopened {
    pub(crate) message: Message,
    pub(crate) receipt: MessageReceipt,
    pub(crate) refusal: Refusal,
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
    /// Why the message is not open.
    pub(crate) fn into_error(self) -> CryptoError {
        match self {
            Self::For(_) => CryptoError::unavailable("its key was asked for and not had in time"),
            Self::After(error) => error,
        }
    }
}

impl From<Undecided> for Unopened {
    fn from(Undecided { message, receipt, waiting }: Undecided) -> Self {
        Self { message, receipt, refusal: waiting.into_error().into() }
    }
}
