//! One table from the errors of NATS to ours.

use std::error::Error;

use async_nats::client::RequestErrorKind;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::{ConnectErrorKind, ServerError, StatusCode, jetstream};
use sealmq_queue_core::{Feature, TransportError, TransportErrorKind as Kind};
use sealmq_tls::{Refusal, causes};

/// What a failure to connect means.
pub(crate) fn connecting(error: async_nats::ConnectError) -> TransportError {
    let refusal = Refusal::of(&error);
    let kind = match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => Kind::Denied,
        ConnectErrorKind::ServerParse => Kind::InvalidInput { field: "url" },
        _ if refuses_credentials(&error) => Kind::Denied,
        _ => Kind::Unavailable,
    };
    let context = refusal.map_or("connecting".to_owned(), |why| format!("connecting: {why}"));
    TransportError::new(kind, context).with_source(error)
}

/// Whether the server said that it does not know us: trying again does not help.
fn refuses_credentials(error: &(dyn Error + 'static)) -> bool {
    let said = causes(error).find_map(|cause| match cause.downcast_ref() {
        Some(ServerError::Other(text)) => Some(text.to_ascii_lowercase()),
        _ => None,
    });
    said.is_some_and(|said| said.contains("authentication") || said.contains("authorization"))
}

/// What a request without an answer means; `context` names the operation and its object.
pub(crate) fn requesting(error: async_nats::client::RequestError, context: &str) -> TransportError {
    let kind = match error.kind() {
        RequestErrorKind::InvalidSubject => Kind::InvalidInput { field: "queue" },
        RequestErrorKind::MaxPayloadExceeded => Kind::InvalidInput { field: "body" },
        // Whether nobody answers for now or for good only the API can tell: see `JetStream::gone`.
        _ => Kind::Unavailable,
    };
    TransportError::new(kind, context).with_source(error)
}

/// What a call of the API without an answer means.
pub(crate) fn calling(error: jetstream::context::RequestError, context: &str) -> TransportError {
    TransportError::new(Kind::Unavailable, context).with_source(error)
}

/// What a publish that was not acknowledged means.
pub(crate) fn publishing(error: jetstream::context::PublishError, context: &str) -> TransportError {
    let api = error.source().and_then(|source| source.downcast_ref::<jetstream::Error>());
    let kind = match (error.kind(), api) {
        (_, Some(api)) => api_kind(api),
        (PublishErrorKind::StreamNotFound, None) => Kind::NotFound,
        (PublishErrorKind::MaxPayloadExceeded, None) => Kind::InvalidInput { field: "body" },
        (PublishErrorKind::MaxAckPending, None) => Kind::Throttled { retry_after: None },
        _ => Kind::Unavailable,
    };
    TransportError::new(kind, context).with_source(error)
}

/// What an error in an answer of the `JetStream` API means.
pub(crate) fn refused(error: jetstream::Error, context: &str) -> TransportError {
    TransportError::new(api_kind(&error), context).with_source(error)
}

/// The table of the `JetStream` API: its error codes, and for those that are not in it the class
/// of the status code.
/// <https://github.com/nats-io/nats-server/blob/main/server/errors.json>
fn api_kind(error: &jetstream::Error) -> Kind {
    let throttled = Kind::Throttled { retry_after: None };
    match error.error_code().0 {
        // Stream, consumer, message or sequence not found.
        10014 | 10037 | 10043 | 10059 | 10149 => Kind::NotFound,
        // Exists with another configuration; subjects belong to another stream.
        10013 | 10058 | 10065 | 10105 | 10106 | 10148 => Kind::InvalidInput { field: "queue" },
        // A configuration that the server cannot provide.
        10012 | 10025 | 10052 | 10061 | 10074 | 10121 | 10126 => {
            Kind::InvalidInput { field: "settings" }
        }
        // Limits of the account or the server.
        10002 | 10023 | 10026 | 10027 | 10028 | 10047 | 10053 | 10122 | 10125 => throttled,
        // A message could not be stored: the stream is full, or the disk is.
        10077 if is_full(error) => throttled,
        10054 => Kind::InvalidInput { field: "body" },
        10097 => Kind::InvalidInput { field: "attributes" },
        10165 | 10191 => Kind::InvalidInput { field: "time_to_live" },
        10166 => Kind::Unsupported { feature: Feature::TimeToLive.name() },
        10188 => Kind::Unsupported { feature: Feature::ScheduledSend.name() },
        10189 | 10190 => Kind::InvalidInput { field: "delay" },
        // JetStream is not enabled for this account.
        10039 => Kind::Denied,
        _ => match error.code() {
            401 | 403 => Kind::Denied,
            404 => Kind::NotFound,
            429 => throttled,
            400 => Kind::InvalidInput { field: "request" },
            _ => Kind::Unavailable,
        },
    }
}

/// Whether a store failure is one of a full stream.
fn is_full(error: &jetstream::Error) -> bool {
    let text = error.to_string();
    text.contains("maximum messages") || text.contains("maximum bytes")
}

/// What a status message in place of messages means to a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PullStatus {
    /// The server is still there and has nothing.
    Heartbeat,
    /// Nothing more will come for this request.
    Over,
    /// The request has to be made again: its server went away or handed over.
    Again,
    /// Nobody answers for the consumer: it may be gone.
    NobodyAnswers,
    /// The consumer is gone.
    Gone,
    /// Too many requests wait.
    Throttled,
    /// The request is refused as it is.
    Refused,
}

/// The table of status messages; 409 says more in its description only.
pub(crate) fn pull_status(status: StatusCode, description: &str) -> PullStatus {
    match status.as_u16() {
        100 => PullStatus::Heartbeat,
        404 | 408 => PullStatus::Over,
        503 => PullStatus::NobodyAnswers,
        409 => match description {
            "Consumer Deleted" | "Stream Deleted" => PullStatus::Gone,
            "Server Shutdown" | "Leadership Change" => PullStatus::Again,
            "Exceeded MaxWaiting" => PullStatus::Throttled,
            "Batch Completed" | "Message Size Exceeds MaxBytes" => PullStatus::Over,
            _ => PullStatus::Refused,
        },
        _ => PullStatus::Refused,
    }
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
