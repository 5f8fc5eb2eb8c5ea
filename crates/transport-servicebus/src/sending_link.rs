//! A link to send on: a task that owns it, so that no caller who gives up can break it.

use fe2o3_amqp::link::SendError;
use fe2o3_amqp::link::delivery::DeliveryFut;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::definitions::{Fields, SenderSettleMode};
use fe2o3_amqp::types::messaging::{Body, Message, Outcome, Target};
use fe2o3_amqp::types::primitives::Value;
use fe2o3_amqp::{Sendable, Sender};
use sealmq_queue_core::{TransportError, TransportErrorKind as Kind, new_message_id};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, timeout};

use crate::error;

/// A message as it is on the wire.
pub(crate) type AmqpMessage = Message<Body<Value>>;

/// A message or a batch to send.
pub(crate) type Outgoing = Sendable<Body<Value>>;

/// What becomes of a transfer.
pub(crate) type Transfer = DeliveryFut<Result<Outcome, SendError>>;

/// How long to wait for the broker to agree that a link ends.
const DETACH_TIMEOUT: Duration = Duration::from_secs(3);
/// Transfers that wait for the task; more make their callers wait.
const QUEUED: usize = 64;

/// Why something was not done, and whether it may have been done all the same.
#[derive(Debug)]
pub(crate) struct Interrupted {
    pub(crate) error: TransportError,
    /// `false` if the broker cannot have seen it.
    pub(crate) maybe_done: bool,
}

impl Interrupted {
    pub(crate) fn before(error: TransportError) -> Self {
        Self { error, maybe_done: false }
    }

    pub(crate) fn midway(error: TransportError) -> Self {
        Self { error, maybe_done: true }
    }
}

struct Command {
    message: Outgoing,
    started: oneshot::Sender<Result<Transfer, SendError>>,
}

/// A link to send on. It ends with the last handle, or when the broker or the connection ends it.
#[derive(Debug)]
pub(crate) struct SendingLink {
    commands: mpsc::Sender<Command>,
    max_message_bytes: Option<u64>,
}

impl SendingLink {
    /// Attaches a link to an address, in a session of its own.
    pub(crate) async fn attach(
        mut session: SessionHandle<()>,
        address: String,
        properties: Option<Fields>,
    ) -> Result<Self, TransportError> {
        let sender = attach_sender(&mut session, &address, properties).await?;
        Ok(Self::run(session, sender))
    }

    /// Runs a link that is attached. The session ends with it.
    pub(crate) fn run(session: SessionHandle<()>, sender: Sender) -> Self {
        let max_message_bytes = sender.max_message_size();
        let (commands, queue) = mpsc::channel(QUEUED);
        tokio::spawn(serve(sender, session, queue));
        Self { commands, max_message_bytes }
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.commands.is_closed()
    }

    /// The largest transfer the broker takes on this link.
    pub(crate) fn max_message_bytes(&self) -> Option<usize> {
        self.max_message_bytes.and_then(|bytes| usize::try_from(bytes).ok())
    }

    /// Sends a message, as soon as there is credit for it. The outcome is still to come.
    pub(crate) async fn start(
        &self,
        message: Outgoing,
        context: &str,
    ) -> Result<Transfer, Interrupted> {
        let gone = || Interrupted::before(error::unavailable(format!("{context}: link is gone")));
        let (started, answer) = oneshot::channel();
        self.commands.send(Command { message, started }).await.map_err(|_| gone())?;
        match answer.await {
            Ok(Ok(transfer)) => Ok(transfer),
            Ok(Err(SendError::MessageSizeExceeded(over))) => {
                let size = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
                let kind = Kind::TooLarge {
                    size_bytes: size(over.size),
                    limit_bytes: size(over.max_size),
                };
                Err(Interrupted::before(TransportError::new(kind, context)))
            }
            Ok(Err(error)) => {
                let ended = error::link_ended(error::failed(error, context), context);
                Err(Interrupted::before(ended))
            }
            Err(_) => Err(gone()),
        }
    }
}

/// Attaches the sending end of a link.
pub(crate) async fn attach_sender(
    session: &mut SessionHandle<()>,
    address: &str,
    properties: Option<Fields>,
) -> Result<Sender, TransportError> {
    let mut builder = Sender::builder()
        .name(format!("sealmq-{}", new_message_id()))
        .target(Target::builder().address(address).build())
        .sender_settle_mode(SenderSettleMode::Unsettled);
    if let Some(properties) = properties {
        builder = builder.properties(properties);
    }
    let attached = builder.attach(session).await;
    attached.map_err(|error| error::failed(error, &format!("attach to {address}")))
}

/// Waits for an outcome, which must be that the broker accepted.
pub(crate) async fn accepted(transfer: Transfer, context: &str) -> Result<(), Interrupted> {
    match transfer.await {
        Ok(Outcome::Accepted(_)) => Ok(()),
        Ok(Outcome::Rejected(rejected)) => Err(Interrupted::before(match &rejected.error {
            Some(error) => error::refused(error, context),
            None => TransportError::invalid_input("message", "rejected without a reason"),
        })),
        // The broker let go of it: it is not stored, and may be another time.
        Ok(_) => Err(Interrupted::before(error::unavailable(format!("{context}: released")))),
        Err(error) => {
            let ended = error::link_ended(error::failed(error, context), context);
            Err(Interrupted::midway(ended))
        }
    }
}

async fn serve(
    mut sender: Sender,
    mut session: SessionHandle<()>,
    mut commands: mpsc::Receiver<Command>,
) {
    let ended_by_us = loop {
        tokio::select! {
            biased; // a link that is gone must not be written to
            _ = sender.on_detach() => break false,
            command = commands.recv() => {
                let Some(Command { message, started }) = command else { break true };
                if started.is_closed() {
                    continue; // whoever asked has given up: it may not be sent behind their back
                }
                let result = sender.send_batchable(message).await;
                let usable = match &result {
                    Ok(_) => true,
                    Err(error) => error.recovery().link_is_usable(),
                };
                if !usable {
                    commands.close(); // before the caller knows, who looks for an open link then
                }
                let _ = started.send(result);
                if !usable {
                    break false;
                }
            }
        }
    };
    // Callers that wait in line learn that the link is gone, and take another.
    commands.close();
    if ended_by_us {
        let _ = timeout(DETACH_TIMEOUT, sender.close()).await;
    } else {
        drop(sender); // fails what still waits for an outcome
    }
    let _ = timeout(DETACH_TIMEOUT, session.end()).await;
}
