//! Sending: checks the batch as a whole, then pipelines it and waits for each acknowledgement.

use std::collections::VecDeque;
use std::time::SystemTime;

use async_nats::HeaderMap;
use async_nats::jetstream::stream::Info as StreamInfo;
use bytes::Bytes;
use sealmq_queue_core::{
    Feature, Message, SendFailure, SendReceipt, SendReport, TransportError, TransportErrorKind,
    check_batch, new_message_id,
};
use tokio::time::Instant;

use crate::capabilities::max_header_bytes;
use crate::jetstream::{JetStream, Published};
use crate::layout::{Layout, missing_session_id};
use crate::names::QueueNames;
use crate::{schedule, wire};

/// Messages that are on their way at a time, of one batch.
const WINDOW: usize = 512;

/// A message in the server's terms.
struct Outgoing {
    subject: String,
    headers: HeaderMap,
    body: Bytes,
}

/// Sends a batch; nothing is sent if any message is invalid.
pub(crate) async fn send(jetstream: &JetStream, queue: &str, messages: Vec<Message>) -> SendReport {
    if messages.is_empty() {
        return Vec::new();
    }
    let messages = match check_batch(messages, &jetstream.capabilities) {
        Ok(messages) => messages,
        Err(report) => return report,
    };
    let names = match jetstream.names(queue) {
        Ok(names) => names,
        Err(error) => return refuse_all(messages, &error),
    };
    let prepare = |layout| {
        all_or_none(messages.iter().map(|m| outgoing(jetstream, &names, layout, m)).collect())
    };
    // Everything that needs no server to be refused is refused here.
    if let Err(errors) = prepare(Layout::Plain) {
        return refuse(messages, errors);
    }
    let ready = async {
        jetstream.connection.check_open()?;
        jetstream.ensure(&names).await?;
        // Without a session id there is one subject only, and nothing to look up.
        match messages.iter().any(|message| message.session_id.is_some()) {
            true => jetstream.layout(&names).await,
            false => Ok(Layout::Plain),
        }
    };
    let outgoing = match ready.await.map(prepare) {
        Ok(Ok(outgoing)) => outgoing,
        Ok(Err(errors)) => return refuse(messages, errors),
        Err(error) => return refuse_all(messages, &error),
    };
    let mut results = pipeline(jetstream, &names, outgoing).await;
    explain_missing(jetstream, &names, &messages, &mut results).await;
    let report = messages.into_iter().zip(results).map(|(message, result)| {
        result.map_err(|error| SendFailure { error, message: Box::new(message) })
    });
    report.collect()
}

fn outgoing(
    jetstream: &JetStream,
    names: &QueueNames,
    layout: Layout,
    message: &Message,
) -> Result<Outgoing, TransportError> {
    let room = max_header_bytes(jetstream.connection.client.max_payload());
    let mut headers = wire::encode(message, room)?;
    wire::set(&mut headers, wire::BROKER_ID, &message.id);
    let target = layout.subject(names, message.session_id.as_deref())?;
    schedule::set_orders(&mut headers, message, &target, SystemTime::now())?;
    // A subject of its own: the server keeps one schedule for each.
    let subject = match schedule::is_held_back(message) {
        true => format!("{}.{}", names.schedules, new_message_id()),
        false => target,
    };
    Ok(Outgoing { subject, headers, body: message.body.clone() })
}

/// All of the batch, or for each message why not.
pub(crate) fn all_or_none<T>(
    batch: Vec<Result<T, TransportError>>,
) -> Result<Vec<T>, Vec<TransportError>> {
    if batch.iter().all(Result::is_ok) {
        return Ok(batch.into_iter().flatten().collect());
    }
    let reason = "another message of the batch is invalid, nothing was sent";
    let why = |result: Result<T, TransportError>| {
        result.err().unwrap_or_else(|| TransportError::invalid_input("batch", reason))
    };
    Err(batch.into_iter().map(why).collect())
}

/// Publishes in order, and collects the acknowledgements in order. Once the server falls silent
/// nothing more is published: the rest of the batch fails with it.
async fn pipeline(
    jetstream: &JetStream,
    names: &QueueNames,
    outgoing: Vec<Outgoing>,
) -> Vec<Result<SendReceipt, TransportError>> {
    let count = outgoing.len();
    let mut results = Vec::with_capacity(count);
    let mut under_way = VecDeque::new();
    let mut last_heard = Instant::now();
    for Outgoing { subject, headers, body } in outgoing {
        if under_way.len() == WINDOW
            && let Some(oldest) = under_way.pop_front()
        {
            let result = acknowledged(jetstream, names, oldest, &mut last_heard).await;
            let is_silent = result.as_ref().is_err_and(is_outage);
            results.push(result);
            if is_silent {
                break;
            }
        }
        under_way.push_back(jetstream.publish(subject, headers, body).await);
    }
    for published in under_way {
        results.push(acknowledged(jetstream, names, published, &mut last_heard).await);
    }
    results.resize_with(count, || {
        let context = format!("sending to queue {}: not tried after a failure", names.queue);
        Err(TransportError::new(TransportErrorKind::Unavailable, context))
    });
    results
}

fn is_outage(error: &TransportError) -> bool {
    *error.kind() == TransportErrorKind::Unavailable
}

async fn acknowledged(
    jetstream: &JetStream,
    names: &QueueNames,
    published: Published,
    last_heard: &mut Instant,
) -> Result<SendReceipt, TransportError> {
    let context = format!("sending to queue {}", names.queue);
    let outcome = jetstream.acknowledged(published, &context, *last_heard).await;
    if !outcome.as_ref().is_err_and(is_outage) {
        *last_heard = Instant::now();
    }
    let ack = outcome?;
    if ack.stream != names.stream {
        // Somebody's wider stream has taken it; no receiver of the queue will ever see it.
        let context = format!("{context}: its subject belongs to stream {}", ack.stream);
        return Err(TransportError::new(TransportErrorKind::NotFound, context));
    }
    let number = Some(ack.sequence);
    Ok(match ack.duplicate {
        true => SendReceipt::duplicate_of(number),
        false => SendReceipt::new(number),
    })
}

/// Nobody answers for a queue that does not exist, for one that has no server for now, for one that
/// holds no messages back when it is told to, and for one of ordered groups when there is no session
/// id: only the first is `NotFound`.
async fn explain_missing(
    jetstream: &JetStream,
    names: &QueueNames,
    messages: &[Message],
    results: &mut [Result<SendReceipt, TransportError>],
) {
    let is_missing = |result: &Result<SendReceipt, TransportError>| {
        result.as_ref().is_err_and(|error| *error.kind() == TransportErrorKind::NotFound)
    };
    if !results.iter().any(is_missing) {
        return;
    }
    jetstream.forget(&names.queue);
    let context = format!("sending to queue {}", names.queue);
    let error = |kind| TransportError::new(kind, context.clone());
    let found = jetstream.stream(&names.stream).await;
    let layout = jetstream.layout(names).await;
    let has_groups = layout.is_ok_and(|layout| layout != Layout::Plain);
    for (message, result) in messages.iter().zip(results).filter(|(_, result)| is_missing(result)) {
        *result = Err(match &found {
            Ok(_) if has_groups && message.session_id.is_none() => missing_session_id(),
            Ok(stream) if schedule::is_held_back(message) && !holds_back(stream, names) => {
                let feature = Feature::ScheduledSend.name();
                error(TransportErrorKind::Unsupported { feature })
            }
            Ok(_) => error(TransportErrorKind::Unavailable),
            Err(missing) => error(missing.kind().clone()).with_source(missing.clone()),
        });
    }
}

fn holds_back(stream: &StreamInfo, names: &QueueNames) -> bool {
    let subjects = format!("{}.*", names.schedules);
    stream.config.allow_message_schedules && stream.config.subjects.contains(&subjects)
}

/// Gives back each message with its own error.
pub(crate) fn refuse(messages: Vec<Message>, errors: Vec<TransportError>) -> SendReport {
    let refused = messages
        .into_iter()
        .zip(errors)
        .map(|(message, error)| Err(SendFailure { error, message: Box::new(message) }));
    refused.collect()
}

/// Gives back all messages with the same error.
pub(crate) fn refuse_all(messages: Vec<Message>, error: &TransportError) -> SendReport {
    let errors = vec![error.clone(); messages.len()];
    refuse(messages, errors)
}
