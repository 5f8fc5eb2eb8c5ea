//! From the SDK's errors to ours, with the call that failed and without a secret.

use std::error::Error;
use std::time::Duration;

use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::BatchResultErrorEntry;
use sealmq_aws::{Cause, Failure};
use sealmq_queue_core::{TransportError, TransportErrorKind};

use crate::limits::MAX_MESSAGE_BYTES;

mod meaning;

use meaning::{Meaning as M, meaning};

/// A call to the service, as far as its errors have to name it.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// What was tried, with its object: the context of the error.
    what: String,
    /// The field of our API that the service's "invalid" is about.
    field: &'static str,
    /// The size of what was sent, as the service counts it.
    size_bytes: usize,
}

impl Call {
    pub(crate) fn new(what: impl Into<String>, field: &'static str) -> Self {
        Self { what: what.into(), field, size_bytes: 0 }
    }

    pub(crate) fn of_size(mut self, size_bytes: usize) -> Self {
        self.size_bytes = size_bytes;
        self
    }

    /// The error of a call that failed as a whole.
    pub(crate) fn failed<E>(&self, error: &SdkError<E, HttpResponse>) -> TransportError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let failure = Failure::of(error);
        let (code, message) = (failure.code.as_deref(), failure.message.as_deref());
        let meaning = match failure.cause {
            Cause::Service(status) => {
                meaning(code.unwrap_or_default(), message.unwrap_or_default(), Some(status))
            }
            Cause::Unreadable(status) => meaning("", "", Some(status)),
            Cause::Unbuildable => M::Invalid,
            Cause::NoCredentials => M::Denied,
            Cause::Distrust(_) | Cause::NoAnswer => M::Unavailable,
        };
        let (shown, error) = (shown(code, message), self.error(meaning, failure.retry_after));
        error.with_source(failure.source(shown))
    }

    /// The error of one entry of a batch that went through as a whole.
    pub(crate) fn entry_failed(&self, entry: &BatchResultErrorEntry) -> TransportError {
        let status = if entry.sender_fault() { 400 } else { 500 };
        let meaning = meaning(entry.code(), entry.message().unwrap_or_default(), Some(status));
        let failure = Failure::of_entry(entry.code(), entry.message(), status);
        let shown = shown(Some(entry.code()), entry.message());
        self.error(meaning, None).with_source(failure.source(shown))
    }

    /// The error of an entry that the answer to its batch does not mention.
    pub(crate) fn entry_forgotten(&self) -> TransportError {
        self.error(M::Unavailable, None).with_source("the answer does not mention this entry")
    }

    fn error(&self, meaning: M, retry_after: Option<Duration>) -> TransportError {
        use TransportErrorKind as K;
        let kind = match meaning {
            M::NotFound => K::NotFound,
            M::Denied => K::Denied,
            M::Unavailable => K::Unavailable,
            M::Throttled => K::Throttled { retry_after },
            M::ThrottledFor(time) => K::Throttled { retry_after: Some(time) },
            M::TooLarge => {
                let size_bytes = self.size_bytes;
                K::TooLarge { size_bytes, limit_bytes: MAX_MESSAGE_BYTES }
            }
            M::Invalid => K::InvalidInput { field: self.field },
            M::Unsupported => K::Unsupported { feature: "this operation" },
            M::LockLost => K::LockLost,
        };
        TransportError::new(kind, self.what.as_str())
    }
}

/// The error of a request that the SDK refuses to build, which it does in none of our calls.
pub(crate) fn unbuildable(error: BuildError) -> TransportError {
    TransportError::invalid_input("message", "the SDK refuses it").with_source(error)
}

/// The service's words for an error, as far as they can be shown.
///
/// The reasons for a refused signature repeat signed headers, a session token among them, and those
/// for a bad parameter repeat its value: of such a message only what follows the value is kept.
fn shown(code: Option<&str>, message: Option<&str>) -> Option<String> {
    let message = message?;
    match code? {
        "AccessDenied"
        | "AccessDeniedException"
        | "KMS.AccessDeniedException"
        | "KmsAccessDenied" => Some(message.to_owned()),
        _ => message.split_once("Reason: ").map(|(_, reason)| reason.to_owned()),
    }
}

#[cfg(test)]
mod tests;
