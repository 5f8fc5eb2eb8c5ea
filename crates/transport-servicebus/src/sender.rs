//! Sending: the batch is checked as a whole, packed into transfers, and reported message by message.

use std::sync::Arc;

use fe2o3_amqp::types::messaging::MessageId;
use fe2o3_amqp::types::primitives::Value;
use futures_util::future::join_all;
use sealmq_queue_core::{
    Message, SendFailure, SendReceipt, SendReport, TransportError, TransportErrorKind as Kind,
    check_batch,
};

use crate::entity::Entity;
use crate::error;
use crate::hub::Hub;
use crate::management::{Operation, map};
use crate::packing::{Pack, pack};
use crate::sending_link::{AmqpMessage, Interrupted, Outgoing, SendingLink, accepted};
use crate::wire;

/// The outcome of each message of a transfer, by its place in the batch.
type Placed = Vec<(usize, Result<SendReceipt, TransportError>)>;

/// Sends a batch; nothing is sent if any message is invalid.
pub(crate) async fn send(hub: &Arc<Hub>, queue: &str, messages: Vec<Message>) -> SendReport {
    if messages.is_empty() {
        return Vec::new();
    }
    let messages = match check(hub, messages) {
        Ok(messages) => messages,
        Err(report) => return report,
    };
    let entity = match hub.check_open().and_then(|()| Entity::parse(queue)) {
        Ok(entity) => entity,
        Err(error) => return refuse(messages, &error),
    };
    let encoded: Vec<_> = messages.iter().map(wire::encode).enumerate().collect();
    let is_scheduled = |at: &usize| messages[*at].delay.is_some_and(|delay| !delay.is_zero());
    let (scheduled, ready): (Vec<_>, Vec<_>) =
        encoded.into_iter().partition(|(at, _)| is_scheduled(at));
    let (sent, held_back) =
        tokio::join!(send_now(hub, &entity, ready), schedule(hub, &entity, scheduled));

    let mut outcomes: Vec<_> = messages.iter().map(|_| None).collect();
    for (at, outcome) in sent.into_iter().chain(held_back) {
        outcomes[at] = Some(outcome);
    }
    let report = messages.into_iter().zip(outcomes).map(|(message, outcome)| {
        let outcome = outcome.unwrap_or_else(|| Err(error::unavailable("send: not tried")));
        outcome.map_err(|error| {
            let error = about(error, &message);
            SendFailure { error, message: Box::new(message) }
        })
    });
    report.collect()
}

/// Checks every message before any I/O, for all brokers and for this one.
fn check(hub: &Hub, messages: Vec<Message>) -> Result<Vec<Message>, SendReport> {
    let messages = check_batch(messages, &hub.capabilities)?;
    let errors: Vec<_> = messages.iter().map(|message| wire::check(message).err()).collect();
    if errors.iter().all(Option::is_none) {
        return Ok(messages);
    }
    let refused = messages.into_iter().zip(errors).map(|(message, error)| {
        let reason = "another message of the batch is invalid, nothing was sent";
        let error = error.unwrap_or_else(|| TransportError::invalid_input("batch", reason));
        Err(SendFailure { error, message: Box::new(message) })
    });
    Err(refused.collect())
}

fn refuse(messages: Vec<Message>, error: &TransportError) -> SendReport {
    let refused = messages
        .into_iter()
        .map(|message| Err(SendFailure { error: error.clone(), message: Box::new(message) }));
    refused.collect()
}

/// What the broker says of a transfer, in terms of one message of it.
fn about(error: TransportError, message: &Message) -> TransportError {
    match error.kind() {
        // A queue of sessions does not allow messages without one; there is nothing else about a
        // message that a queue does not allow.
        Kind::InvalidInput { field: "operation" } if message.session_id.is_none() => {
            TransportError::invalid_input("session_id", "required by this queue").with_source(error)
        }
        _ => error,
    }
}

/// Sends messages that are to be received at once.
pub(crate) async fn send_now(
    hub: &Hub,
    entity: &Entity,
    messages: Vec<(usize, AmqpMessage)>,
) -> Placed {
    if messages.is_empty() {
        return Vec::new();
    }
    let places: Vec<_> = messages.iter().map(|(at, _)| *at).collect();
    let limit = match hub.sender(entity).await {
        Ok(link) => link.max_message_bytes().unwrap_or(hub.config.max_message_bytes),
        Err(error) => return everywhere(&places, &Err(error)),
    };
    let (packs, mut outcomes) = pack(messages, limit, &format!("send to {entity}"));
    let sent = packs.into_iter().map(|pack| async {
        let Pack { places, message } = pack;
        let outcome = transfer(hub, entity, message).await;
        everywhere(&places, &outcome.map(|()| SendReceipt::default()))
    });
    outcomes.extend(join_all(sent).await.into_iter().flatten());
    outcomes
}

fn everywhere(places: &[usize], outcome: &Result<SendReceipt, TransportError>) -> Placed {
    places.iter().map(|at| (*at, outcome.clone())).collect()
}

/// One transfer, which the broker takes or refuses as a whole. What it cannot have seen because
/// the link had ended is sent on another.
async fn transfer(hub: &Hub, entity: &Entity, message: Outgoing) -> Result<(), TransportError> {
    let context = format!("send to {entity}");
    let sending = async {
        let mut is_second_try = false;
        loop {
            let link = hub.sender(entity).await?;
            match deliver(&link, message.clone(), &context).await {
                Ok(()) => return Ok(()),
                Err(Interrupted { error, maybe_done: false })
                    if !is_second_try && !link.is_open() && error.is_retryable() => {}
                Err(Interrupted { error, .. }) => return Err(error),
            }
            is_second_try = true;
        }
    };
    hub.in_time(&context, sending).await
}

async fn deliver(link: &SendingLink, message: Outgoing, context: &str) -> Result<(), Interrupted> {
    let size_bytes = wire::encoded_size(&message.message).unwrap_or_default();
    let transfer = link.start(message, context).await?;
    accepted(transfer, context).await.map_err(|interrupted| match interrupted.error.kind() {
        // The broker says that it is too large, and not how large it may be.
        Kind::TooLarge { limit_bytes: 0, .. } => {
            let limit_bytes = link.max_message_bytes().unwrap_or_default();
            let kind = Kind::TooLarge { size_bytes, limit_bytes };
            Interrupted::before(TransportError::new(kind, context).with_source(interrupted.error))
        }
        _ => interrupted,
    })
}

/// Schedules messages, one request for each that fits; the broker gives each a number.
pub(crate) async fn schedule(
    hub: &Hub,
    entity: &Entity,
    messages: Vec<(usize, AmqpMessage)>,
) -> Placed {
    let scheduled = messages.into_iter().map(|(at, message)| async move {
        let outcome = schedule_one(hub, entity, &message).await;
        (at, outcome.map(|number| SendReceipt::new(Some(number))))
    });
    join_all(scheduled).await
}

/// Schedules a message and gives its number ("com.microsoft:schedule-message").
pub(crate) async fn schedule_one(
    hub: &Hub,
    entity: &Entity,
    message: &AmqpMessage,
) -> Result<u64, TransportError> {
    let bytes = wire::encoded_bytes(message)?;
    let properties = message.properties.clone().unwrap_or_default();
    let id = properties.message_id.map(|id| match id {
        MessageId::String(id) => Value::String(id),
        _ => Value::Null,
    });
    let mut entry =
        vec![("message-id", id.unwrap_or_default()), ("message", Value::Binary(bytes.into()))];
    if let Some(session_id) = properties.group_id {
        entry.push(("session-id", Value::String(session_id)));
    }
    let body = vec![("messages", Value::List(vec![map(entry)]))];
    let mut reply = hub.request(entity, &Operation::new("schedule-message", body)).await?;
    match reply.take_list("sequence-numbers").first() {
        Some(Value::Long(number)) => Ok(number.cast_unsigned()),
        _ => Err(error::unavailable(format!("schedule on {entity}: the reply has no number"))),
    }
}
