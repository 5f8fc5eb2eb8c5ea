//! The way in: what a broker handed out is opened, admitted and handed on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sealmq_crypto_core::CryptoError;
use sealmq_queue_core::{Delivery, Message, Receipt, Session};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::bodies::{Bodies, Opened, no_answer};
use crate::error::ClientError;
use crate::events::{self, Subject};
use crate::incoming::{IncomingMessage, Received, ReceivedMessage, incoming};
use crate::outcomes::{Awaited, OpenedBatch, Refusal, Undecided, Unopened, Waiting};
use crate::queue::QueueContext;
use crate::receipt::MessageReceipt;
use crate::together::together;

/// A message as it was received, and the right to settle it.
type WithReceipt = (Message, MessageReceipt);

impl QueueContext {
    /// Receives and opens one batch.
    pub(crate) async fn receive(
        self: &Arc<Self>,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Received>, ClientError> {
        let deliveries = self.receive_sealed(max, wait).await?;
        let _opening = self.shared.lifecycle.hand_out();
        Ok(self.open_deliveries(deliveries, None).await)
    }

    /// Opens what the broker handed out, each message for itself, and settles what cannot be. Keys
    /// and the replay store are waited for under lock: that of each message, or the session's.
    pub(crate) async fn open_deliveries(
        self: &Arc<Self>,
        deliveries: Vec<Delivery>,
        session: Option<&dyn Session>,
    ) -> Vec<Received> {
        let messages = self.with_receipts(deliveries);
        let opening = async {
            let opened = Arc::clone(self).open_together(self.bodies(messages_of(&messages))).await;
            let judged = self.judge_each(&messages, &opened, None).await;
            (opened, judged)
        };
        let (opened, judged) = self.while_locked(&messages, session, opening).await;
        let mut received = Vec::with_capacity(messages.len());
        let admitted = |message| received.push(Ok(message));
        let refused = self.admit_each(messages, opened, judged, admitted);
        let (places, refused): (Vec<_>, Vec<_>) = refused.into_iter().unzip();
        let rejected = together(refused.into_iter().map(|unopened| self.reject(unopened))).await;
        for (place, rejected) in places.into_iter().zip(rejected) {
            received.insert(place, Err(rejected));
        }
        received
    }

    /// Opens what the broker handed out, each message for itself, and settles nothing. What waits
    /// for keys or for the replay store no longer than `patience` says is judged then; the bodies
    /// that still wait for keys go on being opened for as long as anyone awaits them.
    pub(crate) async fn open_within(
        self: &Arc<Self>,
        deliveries: Vec<Delivery>,
        patience: Option<Duration>,
    ) -> OpenedBatch {
        let messages = self.with_receipts(deliveries);
        let bodies = self.bodies(messages_of(&messages));
        let mut opening = Box::pin(Arc::clone(self).open_together(bodies));
        let opened = match patience {
            Some(patience) => timeout(patience, &mut opening).await.ok(),
            None => Some(opening.as_mut().await),
        };
        let mut batch = OpenedBatch::default();
        if let Some(opened) = opened {
            let judged = self.judge_each(&messages, &opened, patience).await;
            let admitted = |message| batch.admitted.push(message);
            let refused = self.admit_each(messages, opened, judged, admitted);
            for (_, Unopened { message, receipt, refusal }) in refused {
                match refusal.may_pass() {
                    Ok(waiting) => batch.undecided.push(Undecided { message, receipt, waiting }),
                    Err(refusal) => batch.refused.push(Unopened { message, receipt, refusal }),
                }
            }
        } else {
            let (answers, awaited): (Vec<_>, Vec<_>) =
                messages.iter().map(|_| oneshot::channel()).unzip();
            tokio::spawn(tell(answers, opening));
            let undecided = |((message, receipt), awaited)| Undecided {
                message,
                receipt,
                waiting: Waiting::For(Awaited(awaited)),
            };
            batch.undecided = messages.into_iter().zip(awaited).map(undecided).collect();
        }
        batch
    }

    fn with_receipts(self: &Arc<Self>, deliveries: Vec<Delivery>) -> Vec<WithReceipt> {
        let with_receipt = |Delivery { message, receipt }| {
            (message, MessageReceipt::new(Arc::clone(self), receipt))
        };
        deliveries.into_iter().map(with_receipt).collect()
    }

    /// Opens the bodies of a batch in one go, and measures the time per message.
    async fn open_together(self: Arc<Self>, bodies: Bodies) -> Vec<Result<Opened, CryptoError>> {
        let started = Instant::now();
        let opened = bodies.open().await;
        self.metrics.opened(started.elapsed(), opened.len());
        opened
    }

    /// Judges messages of which the bodies were opened, side by side: a replay store is asked over
    /// a network. Without any `patience` none of them can wait.
    async fn judge_each(
        &self,
        messages: &[WithReceipt],
        opened: &[Result<Opened, CryptoError>],
        patience: Option<Duration>,
    ) -> Vec<Result<(), Refusal>> {
        let judge = async |((_, receipt), opened): (&(_, _), &Result<_, CryptoError>)| {
            let Ok(opened) = opened else { return Ok(()) };
            let judging = self.judge(opened, receipt, patience.is_some());
            match patience {
                Some(patience) => timeout(patience, judging).await.unwrap_or_else(|_| {
                    Err(CryptoError::unavailable("the replay store has not answered yet").into())
                }),
                None => judging.await,
            }
        };
        let judged = together(messages.iter().zip(opened).map(judge)).await;
        if let Some(replays) = &self.replays {
            replays.note_occupancy();
        }
        judged
    }

    /// Hands on the messages that opened and were admitted, and returns the others with their
    /// places.
    fn admit_each(
        &self,
        messages: Vec<WithReceipt>,
        opened: Vec<Result<Opened, CryptoError>>,
        judged: Vec<Result<(), Refusal>>,
        mut admitted: impl FnMut(ReceivedMessage),
    ) -> Vec<(usize, Unopened)> {
        let mut refused = Vec::new();
        let all = messages.into_iter().zip(opened).zip(judged).enumerate();
        for (place, (((message, receipt), opened), judged)) in all {
            match (opened.map_err(Refusal::Error), judged) {
                (Ok(opened), Ok(())) => {
                    let message = self.hand_out(message, &receipt, opened);
                    admitted(ReceivedMessage { message, receipt });
                }
                (Err(refusal), _) | (_, Err(refusal)) => {
                    refused.push((place, Unopened { message, receipt, refusal }));
                }
            }
        }
        refused
    }

    /// Opens a message that could not be opened before.
    pub(crate) async fn open_again(
        &self,
        message: &Message,
        receipt: &MessageReceipt,
    ) -> Result<IncomingMessage, Refusal> {
        let opened = self.bodies(std::iter::once(message)).open_one().await?;
        self.admit_and_hand_out(opened, message, receipt).await
    }

    /// Opens a message of a batch that is still being opened: as soon as its own key was had, if
    /// asking for that costs no call more, or with the batch.
    pub(crate) async fn open_at_last(
        &self,
        message: &Message,
        receipt: &MessageReceipt,
        awaited: &mut Awaited,
    ) -> Result<IncomingMessage, Refusal> {
        let calls_are_shared =
            self.shared.crypto.as_ref().is_some_and(|crypto| crypto.batches_share_calls());
        let opened = tokio::select! {
            biased;
            opened = &mut awaited.0 => opened.unwrap_or_else(|_| Err(no_answer())),
            opened = self.bodies(std::iter::once(message)).open_one(), if !calls_are_shared => opened,
        };
        self.admit_and_hand_out(opened?, message, receipt).await
    }

    async fn admit_and_hand_out(
        &self,
        opened: Opened,
        message: &Message,
        receipt: &MessageReceipt,
    ) -> Result<IncomingMessage, Refusal> {
        self.judge(&opened, receipt, true).await?;
        Ok(self.hand_out(message.clone(), receipt, opened))
    }

    /// Opens a message of a dead-letter queue: authentic, of any age, delivered before or not.
    pub(crate) async fn open_for_inspection(
        &self,
        message: Message,
        receipt: &Receipt,
    ) -> Result<IncomingMessage, CryptoError> {
        let opened = self.bodies(std::iter::once(&message)).open_one().await?;
        Ok(incoming(message, receipt, opened))
    }

    /// The message as its receiver sees it, after it was judged.
    fn hand_out(
        &self,
        message: Message,
        receipt: &MessageReceipt,
        opened: Opened,
    ) -> IncomingMessage {
        let verdict = match &opened {
            Opened::Plain(verdict) => Some(*verdict),
            Opened::Sealed { .. } => None,
        };
        let message = incoming(message, &receipt.receipt, opened);
        let subject = self.subject(&message.message);
        match verdict {
            Some(verdict) => events::received_plaintext(&subject, verdict),
            None => events::received_sealed(&subject, message.key_id().unwrap_or("")),
        }
        self.metrics.received(message.is_encrypted(), 1);
        message
    }

    pub(crate) fn subject<'a>(&'a self, message: &'a Message) -> Subject<'a> {
        Subject {
            queue: &self.queue,
            message_id: &message.id,
            session_id: message.session_id.as_deref(),
        }
    }
}

fn messages_of(messages: &[WithReceipt]) -> impl ExactSizeIterator<Item = &Message> {
    messages.iter().map(|(message, _)| message)
}

/// Tells each of those who wait what became of its body, unless none waits any more.
async fn tell(
    mut answers: Vec<oneshot::Sender<Result<Opened, CryptoError>>>,
    opening: impl Future<Output = Vec<Result<Opened, CryptoError>>>,
) {
    let opened = {
        let nobody_waits = join_all(answers.iter_mut().map(oneshot::Sender::closed));
        tokio::select! {
            opened = opening => opened,
            _ = nobody_waits => return,
        }
    };
    for (answer, opened) in answers.into_iter().zip(opened) {
        let _ = answer.send(opened); // or it was opened by itself
    }
}
