//! A queue made for one case, and what cases do with it.

use std::sync::Arc;

use sealmq_queue_core::{
    Bytes, Message, ReceiverOptions, SendFailure, SendReceipt, SendReport, SessionSelector, Source,
    Transport, TransportError,
};
use uuid::Uuid;

use crate::outcome::{CaseResult, Stop, chain, from_caller};
use crate::transport::{Ctx, QueueKind, Reader};

/// A queue of one case, seen through one connection.
#[derive(Clone)]
pub struct Queue {
    ctx: Ctx,
    transport: Arc<dyn Transport>,
    address: String,
    kind: QueueKind,
}

impl Queue {
    pub(crate) fn new(ctx: &Ctx, address: String, kind: QueueKind) -> Self {
        Self { ctx: ctx.clone(), transport: Arc::clone(ctx.transport()), address, kind }
    }

    /// The same queue through another connection.
    #[must_use]
    pub fn through(&self, transport: &Arc<dyn Transport>) -> Self {
        Self { transport: Arc::clone(transport), ..self.clone() }
    }

    /// The address as the transport takes it.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The source that reads the queue.
    pub fn source(&self) -> Source {
        Source::queue(&self.address)
    }

    /// The source that reads the dead-letter queue.
    pub fn dead_letter_source(&self) -> Source {
        Source::dead_letter(&self.address)
    }

    /// A message that this queue accepts: where each needs a group, it gets one of its own.
    pub fn message(&self, body: impl Into<Bytes>) -> Message {
        self.kind.message(body)
    }

    /// So many messages that differ in their bodies.
    pub fn messages(&self, count: usize) -> Vec<Message> {
        (0..count).map(|index| self.message(format!("message {index}"))).collect()
    }

    /// Sends one message, which must be accepted.
    #[track_caller]
    pub fn send(&self, message: Message) -> impl Future<Output = CaseResult<SendReceipt>> {
        from_caller(async { accepted(self.try_send(message).await?) })
    }

    /// Sends the messages as one batch, all of which must be accepted.
    #[track_caller]
    pub fn send_all(
        &self,
        messages: Vec<Message>,
    ) -> impl Future<Output = CaseResult<Vec<SendReceipt>>> {
        from_caller(async {
            let report = self.try_send_all(messages).await?;
            report.into_iter().map(accepted).collect()
        })
    }

    /// Sends one message and gives what the transport says.
    pub async fn try_send(&self, message: Message) -> CaseResult<Result<SendReceipt, SendFailure>> {
        let mut report = self.try_send_all(vec![message]).await?;
        Ok(report.remove(0))
    }

    /// Sends the messages as one batch and gives what the transport says of each.
    pub async fn try_send_all(&self, messages: Vec<Message>) -> CaseResult<SendReport> {
        let count = messages.len();
        let report = self.transport.send(&self.address, messages).await;
        check_eq!(report.len(), count, "the report has one result for each message sent");
        Ok(report)
    }

    /// Opens the queue.
    pub async fn reader(&self) -> CaseResult<Reader> {
        self.reader_with(self.ctx.options()).await
    }

    /// Opens the queue with these options.
    pub async fn reader_with(&self, options: ReceiverOptions) -> CaseResult<Reader> {
        Ok(self.try_reader_with(options).await?)
    }

    /// Opens the queue with these options, if the transport lets it.
    pub async fn try_reader_with(
        &self,
        options: ReceiverOptions,
    ) -> Result<Reader, TransportError> {
        let receiver = self.transport.open(&self.source(), options).await?;
        Ok(Reader::new(&self.ctx, receiver))
    }

    /// Opens the dead-letter queue.
    pub async fn dead_letters(&self) -> CaseResult<Reader> {
        let source = self.dead_letter_source();
        let receiver = self.transport.open(&source, self.ctx.options()).await?;
        Ok(Reader::new(&self.ctx, receiver))
    }

    /// Accepts the session of this id, which must be free.
    pub async fn session(&self, id: &str) -> CaseResult<Reader> {
        let wait = self.ctx.timing().patience;
        let selector = SessionSelector::Named(id.into());
        let accepted = self
            .transport
            .accept_session(&self.address, selector, wait, self.ctx.options())
            .await?;
        match accepted {
            Some(receiver) => Ok(Reader::new(&self.ctx, receiver)),
            None => Err(Stop::broken("a named session that is free is accepted")),
        }
    }
}

impl QueueKind {
    /// A message that queues of this kind accept.
    pub(crate) fn message(self, body: impl Into<Bytes>) -> Message {
        let message = Message::new(body);
        match self {
            Self::Standard => message,
            Self::OrderedGroups | Self::Sessions => {
                message.with_session_id(Uuid::now_v7().simple().to_string())
            }
        }
    }
}

/// The receipt of a message that had to be accepted.
#[track_caller]
pub(crate) fn accepted(result: Result<SendReceipt, SendFailure>) -> CaseResult<SendReceipt> {
    result.map_err(|failure| {
        let error = chain(&failure.error);
        Stop::broken(format!("a valid message is accepted, but: {error}"))
    })
}

/// The failure of a message that had to be refused.
#[track_caller]
pub(crate) fn refused(result: Result<SendReceipt, SendFailure>) -> CaseResult<SendFailure> {
    match result {
        Ok(_) => Err(Stop::broken("the message is refused, but it was accepted")),
        Err(failure) => Ok(failure),
    }
}
