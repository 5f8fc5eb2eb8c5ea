//! Sending: checks the batch as a whole, then stores it message by message.

use sealmq_queue_core::{Message, SendFailure, SendReport, TransportError, check_batch};

use crate::broker::Connection;
use crate::config::QueueKind;
use crate::shared_queue::Queue;

/// Sends a batch; nothing is stored if any message is invalid.
pub(crate) fn send(connection: &Connection, queue: &str, messages: Vec<Message>) -> SendReport {
    if messages.is_empty() {
        return Vec::new();
    }
    let messages = match check_batch(messages, &connection.broker.capabilities) {
        Ok(messages) => messages,
        Err(report) => return report,
    };
    let queue = match connection.queue(queue) {
        Ok(queue) => queue,
        Err(error) => return refuse(messages, |_| error.clone()),
    };
    if lacks_session_ids(&queue, &messages) {
        return refuse(messages, session_id_error);
    }
    queue.with(|state, now| state.send(messages, now))
}

fn lacks_session_ids(queue: &Queue, messages: &[Message]) -> bool {
    queue.settings.kind != QueueKind::Standard && messages.iter().any(|m| m.session_id.is_none())
}

fn session_id_error(message: &Message) -> TransportError {
    match message.session_id {
        None => TransportError::invalid_input("session_id", "required by this queue"),
        Some(_) => {
            let reason = "another message of the batch is invalid, nothing was sent";
            TransportError::invalid_input("batch", reason)
        }
    }
}

fn refuse(messages: Vec<Message>, error: impl Fn(&Message) -> TransportError) -> SendReport {
    let refused = messages
        .into_iter()
        .map(|message| Err(SendFailure { error: error(&message), message: Box::new(message) }));
    refused.collect()
}
