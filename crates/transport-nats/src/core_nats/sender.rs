//! Sending to whoever listens, and hearing from the server when nobody does.

use std::collections::BTreeSet;

use async_nats::{HeaderMap, Subject};
use futures_util::{FutureExt, StreamExt};
use sealmq_queue_core::{
    Message, SendFailure, SendReceipt, SendReport, TransportError, TransportErrorKind, check_batch,
};

use tokio::time::Instant;

use super::shared::Shared;
use crate::capabilities::max_header_bytes;
use crate::sender::{all_or_none, refuse, refuse_all};
use crate::wire;

/// Sends a batch; nothing is sent if any message is invalid.
pub(super) async fn send(shared: &Shared, queue: &str, messages: Vec<Message>) -> SendReport {
    if messages.is_empty() {
        return Vec::new();
    }
    let messages = match check_batch(messages, &shared.capabilities) {
        Ok(messages) => messages,
        Err(report) => return report,
    };
    let subject = match shared.subject(queue) {
        Ok(subject) => subject,
        Err(error) => return refuse_all(messages, &error),
    };
    let room = max_header_bytes(shared.connection.client.max_payload());
    let headers = messages.iter().map(|message| wire::encode(message, room)).collect();
    let headers = match all_or_none(headers) {
        Ok(headers) => headers,
        Err(errors) => return refuse(messages, errors),
    };
    let unheard = match publish(shared, &subject, &messages, headers).await {
        Ok(unheard) => unheard,
        Err(error) => return refuse_all(messages, &error),
    };
    let report = messages.into_iter().enumerate().map(|(index, message)| {
        if !unheard.contains(&index) {
            return Ok(SendReceipt::new(None));
        }
        let context = format!("nobody listens to queue {queue}");
        let error = TransportError::new(TransportErrorKind::NotFound, context);
        Err(SendFailure { error, message: Box::new(message) })
    });
    report.collect()
}

/// Publishes the messages and waits until the server has taken them. Gives the indices of those
/// that nobody listened to: for these the server answers to the reply subject, before it answers
/// to anything sent later.
async fn publish(
    shared: &Shared,
    subject: &str,
    messages: &[Message],
    headers: Vec<HeaderMap>,
) -> Result<BTreeSet<usize>, TransportError> {
    let connection = &shared.connection;
    connection.check_open()?;
    let unavailable = |source: Box<dyn std::error::Error + Send + Sync>| {
        TransportError::new(TransportErrorKind::Unavailable, format!("sending to {subject}"))
            .with_source(source)
    };
    let since = Instant::now();
    let inbox = connection.client.new_inbox();
    let subscribed = connection.client.subscribe(format!("{inbox}.*")).await;
    let mut unheard_of = subscribed.map_err(|error| unavailable(error.into()))?;
    let subject = Subject::from(subject);
    for (index, (message, headers)) in messages.iter().zip(headers).enumerate() {
        let reply = format!("{inbox}.{index}");
        let body = message.body.clone();
        let client = &connection.client;
        let sent =
            client.publish_with_reply_and_headers(subject.clone(), reply, headers, body).await;
        sent.map_err(|error| unavailable(error.into()))?;
    }
    connection.round_trip().await?;
    connection.check_permitted(&subject, since).await?;
    let mut unheard = BTreeSet::new();
    while let Some(Some(answer)) = unheard_of.next().now_or_never() {
        let index = answer.subject.rsplit('.').next();
        // A responder of another make may answer to the reply subject: that is no refusal.
        if answer.status == Some(async_nats::StatusCode::NO_RESPONDERS) {
            unheard.extend(index.and_then(|index| index.parse::<usize>().ok()));
        }
    }
    Ok(unheard)
}
