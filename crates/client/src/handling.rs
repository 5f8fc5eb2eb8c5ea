//! One message of a processor, from the moment it was received to its settlement.

use std::convert::Infallible;
use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use sealmq_crypto_core::CryptoError;
use sealmq_queue_core::{Feature, Message, TransportErrorKind};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::control::Control;
use crate::error::{ClientError, ClientErrorKind};
use crate::events;
use crate::holding::{Kept, Place};
use crate::incoming::{IncomingMessage, ReceivedMessage};
use crate::outcomes::{Refusal, Undecided, Unopened, Waiting};
use crate::processing::{HandlerError, ProcessorOptions};
use crate::queue::QueueContext;
use crate::receipt::MessageReceipt;
use crate::slots::{Slot, Slots};

/// What the messages of one processor have in common.
pub(crate) struct Handling<H> {
    pub(crate) queue: Arc<QueueContext>,
    pub(crate) options: ProcessorOptions,
    pub(crate) handler: H,
    pub(crate) control: watch::Receiver<Control>,
    pub(crate) slots: Arc<Slots>,
}

/// How the work on a message ended.
enum Ended {
    Handled {
        outcome: Result<(), HandlerError>,
        slot: Slot,
    },
    /// It was kept until it could be judged, and can never be opened.
    Refused {
        message: Box<Message>,
        refusal: Refusal,
    },
    /// It was kept and could not be opened for as long as that went. It is held back as after so
    /// many attempts.
    NotOpened {
        error: CryptoError,
        attempts: u32,
    },
    /// It opened, and no handler was free before the end.
    NotBegun,
    /// It may be another's by now: nothing was begun, and nothing is settled.
    LockLost,
}

impl<H, F> Handling<H>
where
    H: Fn(IncomingMessage) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), HandlerError>> + Send + 'static,
{
    /// Works on a message that was opened.
    pub(crate) async fn handle(self: Arc<Self>, received: ReceivedMessage, slot: Option<Slot>) {
        let ReceivedMessage { message, receipt } = received;
        let ended = {
            let lock = pin!(self.keep_locked(&receipt));
            self.work(message, slot, lock).await
        };
        self.end(ended, receipt).await;
    }

    /// Keeps a message until it can be opened, and works on it then.
    pub(crate) async fn hold(self: Arc<Self>, undecided: Undecided, place: Place) {
        let Undecided { message, receipt, mut waiting } = undecided;
        if let Waiting::After(error) = &waiting {
            self.queue.metrics.crypto_error(error);
            events::rejected(&self.queue.subject(&message), error);
        }
        let ended = {
            // One renewal for the whole time: it is never interrupted.
            let mut lock = pin!(self.keep_locked(&receipt));
            let kept = tokio::select! {
                kept = place.open(&self.queue, &message, &receipt, &mut waiting) => kept,
                () = lock.as_mut() => Kept::LockLost,
                () = self.stopping() => Kept::Stopped,
            };
            match kept {
                Kept::Opened(opened) => self.work(*opened, None, lock).await,
                Kept::Refused(refusal) => Ended::Refused { message: Box::new(message), refusal },
                // As long as can be: messages that were not seen yet come before it.
                Kept::NoRoom => {
                    Ended::NotOpened { error: waiting.into_error(), attempts: u32::MAX }
                }
                Kept::Stopped => Ended::NotOpened {
                    error: waiting.into_error(),
                    attempts: receipt.metadata().delivery_count,
                },
                Kept::LockLost => Ended::LockLost,
            }
        };
        self.end(ended, receipt).await;
    }

    async fn work(
        self: &Arc<Self>,
        message: IncomingMessage,
        slot: Option<Slot>,
        mut lock: Pin<&mut impl Future<Output = ()>>,
    ) -> Ended {
        let slot = match slot {
            Some(slot) => slot,
            None => tokio::select! {
                slot = self.slots.take() => slot,
                () = lock.as_mut() => return Ended::LockLost,
                () = self.stopping() => return Ended::NotBegun,
            },
        };
        // A task of its own, so that a panic ends the handler and not the processor.
        let this = Arc::clone(self);
        let mut work = AbortOnDrop(tokio::spawn(async move { (this.handler)(message).await }));
        let mut control = self.control.clone();
        let outcome = tokio::select! {
            outcome = &mut work.0 => outcome.unwrap_or_else(|_| {
                tracing::error!(target: "sealmq", queue = self.queue.queue, "A handler panicked");
                Err(HandlerError::retry())
            }),
            never = after(lock) => match never {},
            _ = control.wait_for(|control| control.cancel) => {
                Err(HandlerError::retry_after(Duration::ZERO))
            }
        };
        // Ended before the message is given back: from then on it may be another's.
        work.0.abort();
        Ended::Handled { outcome, slot }
    }

    async fn end(&self, ended: Ended, receipt: MessageReceipt) {
        match ended {
            Ended::Handled { outcome, slot } => {
                self.settle(receipt, outcome).await;
                drop(slot);
            }
            Ended::Refused { message, refusal } => {
                let message = *message;
                self.queue.reject(Unopened { message, receipt, refusal }).await;
            }
            Ended::NotOpened { error, attempts } if self.queue.can_give_back() => {
                self.queue.settle_rejected(&error, receipt, attempts).await;
            }
            Ended::NotOpened { error, .. } => {
                tracing::error!(target: "sealmq", queue = self.queue.queue, %error,
                    "Message lost: it could not be opened, and its broker has forgotten it");
            }
            Ended::NotBegun => {
                if let Err(failed) = receipt.abandon(Duration::ZERO).await {
                    self.report(&failed.error);
                }
            }
            Ended::LockLost => {}
        }
    }

    async fn settle(&self, receipt: MessageReceipt, outcome: Result<(), HandlerError>) {
        let shared = &self.queue.shared;
        if outcome.is_err() {
            self.queue.metrics.handler_failed();
        }
        let settled = match outcome {
            Ok(()) => receipt.complete().await,
            Err(HandlerError::Retry { delay }) => {
                let deliveries = receipt.metadata().delivery_count.clamp(1, 16);
                let backed_off = self.options.retry_delay.saturating_mul(1 << (deliveries - 1));
                let delay = delay.unwrap_or(backed_off.min(shared.retry.max_delay));
                let native = shared.transport.capabilities().has(Feature::DelayedAbandon);
                receipt.abandon(if native { delay } else { Duration::ZERO }).await
            }
            Err(HandlerError::DeadLetter { reason, description }) => {
                receipt.dead_letter(&reason, &description).await
            }
        };
        if let Err(failed) = settled {
            self.report(&failed.error);
        }
    }

    fn report(&self, error: &ClientError) {
        if let ClientErrorKind::Transport(TransportErrorKind::Unsupported { .. }) = error.kind() {
            return; // it left the queue when it was handed out
        }
        tracing::warn!(target: "sealmq", queue = self.queue.queue, %error,
            "Message not settled, it may come again");
    }

    /// Ends when the processor is told to stop.
    async fn stopping(&self) {
        let mut control = self.control.clone();
        // Without anyone who could tell it is ended from outside.
        if control.wait_for(|control| control.stop_by.is_some()).await.is_err() {
            pending().await
        }
    }

    /// Renews the lock for as long as it is polled; ends when the lock is lost.
    async fn keep_locked(&self, receipt: &MessageReceipt) {
        match self.options.renew_locks {
            true => self.queue.keep_locked(receipt).await,
            false => pending().await,
        }
    }
}

/// Keeps on without end when the lock is lost: the handler may finish its work, and settling will
/// say that the lock is gone.
async fn after(lock: Pin<&mut impl Future<Output = ()>>) -> Infallible {
    lock.await;
    pending().await
}

/// Ends a handler together with the one who waits for it.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
