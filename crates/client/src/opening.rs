//! The way in: what a broker handed out is opened, admitted and handed on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sealmq_crypto_core::CryptoError;
use sealmq_queue_core::{Delivery, Message, Receipt};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::bodies::{Opened, no_answer};
use crate::error::ClientError;
use crate::events::{self, Subject};
use crate::incoming::{IncomingMessage, Received, ReceivedMessage, incoming};
use crate::queue::QueueContext;
use crate::receipt::MessageReceipt;
use crate::together::together;

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
pub(crate) struct Awaited(oneshot::Receiver<Result<Opened, CryptoError>>);

/// A message of a processor that no handler can begin with now.
pub(crate) enum Withheld {
    Unopened(Box<Unopened>),
    /// Its batch is still being opened.
    Undecided(Box<(Message, MessageReceipt, Awaited)>),
}

impl QueueContext {
    /// Receives and opens one batch.
    pub(crate) async fn receive(
        self: &Arc<Self>,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Received>, ClientError> {
        let deliveries = self.receive_sealed(max, wait).await?;
        let _opening = self.shared.lifecycle.hand_out();
        Ok(self.open_deliveries(deliveries).await)
    }

    /// Opens what the broker handed out, each message for itself, and settles what cannot be.
    pub(crate) async fn open_deliveries(
        self: &Arc<Self>,
        deliveries: Vec<Delivery>,
    ) -> Vec<Received> {
        let bodies = self.bodies(deliveries.iter().map(|delivery| &delivery.message));
        let opened = self.measured(bodies.open(), deliveries.len()).await;
        let mut refused = Vec::new();
        let admitted = self.admit_each(deliveries, opened, None).await.into_iter();
        let admitted: Vec<_> = admitted
            .map(|message| message.map_err(|unopened| refused.push(unopened)).ok())
            .collect();
        let rejected = together(refused.into_iter().map(|unopened| self.reject(*unopened))).await;
        let mut rejected = rejected.into_iter();
        let received = |message: Option<_>| match message {
            Some(message) => Some(Ok(message)),
            None => rejected.next().map(Err),
        };
        admitted.into_iter().filter_map(received).collect()
    }

    /// Opens what the broker handed out, each message for itself, and settles nothing. What waits
    /// for keys or for the replay store no longer than `patience` says is judged then; the bodies
    /// that still wait for keys go on being opened for as long as anyone awaits them.
    pub(crate) async fn open_within(
        self: &Arc<Self>,
        deliveries: Vec<Delivery>,
        patience: Option<Duration>,
    ) -> Vec<Result<ReceivedMessage, Withheld>> {
        let bodies = self.bodies(deliveries.iter().map(|delivery| &delivery.message));
        let (queue, count) = (Arc::clone(self), deliveries.len());
        let mut opening = Box::pin(async move { queue.measured(bodies.open(), count).await });
        let opened = match patience {
            Some(patience) => timeout(patience, &mut opening).await.ok(),
            None => Some(opening.as_mut().await),
        };
        let Some(opened) = opened else {
            let (answers, awaited): (Vec<_>, Vec<_>) =
                deliveries.iter().map(|_| oneshot::channel()).unzip();
            tokio::spawn(tell(answers, opening));
            let undecided = |(Delivery { message, receipt }, awaited)| {
                let receipt = MessageReceipt::new(Arc::clone(self), receipt);
                Err(Withheld::Undecided(Box::new((message, receipt, Awaited(awaited)))))
            };
            return deliveries.into_iter().zip(awaited).map(undecided).collect();
        };
        let admitted = self.admit_each(deliveries, opened, patience).await;
        admitted.into_iter().map(|admitted| admitted.map_err(Withheld::Unopened)).collect()
    }

    /// Judges messages of which the bodies were opened, side by side: a replay store is asked over
    /// a network.
    async fn admit_each(
        self: &Arc<Self>,
        deliveries: Vec<Delivery>,
        opened: Vec<Result<Opened, CryptoError>>,
        patience: Option<Duration>,
    ) -> Vec<Result<ReceivedMessage, Box<Unopened>>> {
        let judge = async |(delivery, opened): (&Delivery, &Result<_, CryptoError>)| match opened {
            Ok(opened) => self.judge(opened, delivery.receipt.metadata(), patience).await,
            Err(_) => Ok(None),
        };
        let judged = together(deliveries.iter().zip(&opened).map(judge)).await;
        let mut received = Vec::with_capacity(deliveries.len());
        for ((Delivery { message, receipt }, opened), judged) in
            deliveries.into_iter().zip(opened).zip(judged)
        {
            let receipt = MessageReceipt::new(Arc::clone(self), receipt);
            received.push(match (opened.map_err(Refusal::Error), judged) {
                (Ok(opened), Ok(reservation)) => {
                    receipt.reserved(reservation);
                    let message = self.hand_out(message, &receipt, opened);
                    Ok(ReceivedMessage { message, receipt })
                }
                (Err(refusal), _) | (_, Err(refusal)) => {
                    Err(Box::new(Unopened { message, receipt, refusal }))
                }
            });
        }
        received
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
        receipt.reserved(self.judge(&opened, receipt.metadata(), None).await?);
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

    /// Measures the time per message of a batch that is opened in one go.
    async fn measured<T>(&self, opening: impl Future<Output = T>, messages: usize) -> T {
        let started = Instant::now();
        let opened = opening.await;
        self.metrics.opened(started.elapsed(), messages);
        opened
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
