//! From the SDK's errors to ours, with the call that failed and without a secret.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::operation::RequestId;
use aws_sdk_sqs::types::BatchResultErrorEntry;
use sealmq_queue_core::{TransportError, TransportErrorKind};
use sealmq_tls::{causes, distrusts};

use crate::wire::MAX_MESSAGE_BYTES;

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
        let (meaning, status) = match error {
            SdkError::ServiceError(service) => {
                let status = service.raw().status().as_u16();
                let (code, message) = (error.code(), error.message());
                let meaning =
                    meaning(code.unwrap_or_default(), message.unwrap_or_default(), Some(status));
                (meaning, Some(status))
            }
            SdkError::ConstructionFailure(_) => (M::Invalid, None),
            SdkError::ResponseError(response) => {
                let status = response.raw().status().as_u16();
                (meaning("", "", Some(status)), Some(status))
            }
            _ if lacks_credentials(error) || distrusts(error) => (M::Denied, None),
            _ => (M::Unavailable, None),
        };
        let source = Source {
            code: error.code().map(str::to_owned),
            status,
            request_id: error.request_id().map(str::to_owned),
            detail: match error {
                SdkError::ServiceError(_) => shown(error.code(), error.message()),
                _ => chain(error),
            },
        };
        let retry_after = error.raw_response().and_then(retry_after);
        self.error(meaning, retry_after).with_source(source)
    }

    /// The error of one entry of a batch that went through as a whole.
    pub(crate) fn entry_failed(&self, entry: &BatchResultErrorEntry) -> TransportError {
        let status = if entry.sender_fault() { 400 } else { 500 };
        let meaning = meaning(entry.code(), entry.message().unwrap_or_default(), Some(status));
        let source = Source {
            code: Some(entry.code().to_owned()),
            status: None,
            request_id: None,
            detail: shown(Some(entry.code()), entry.message()),
        };
        self.error(meaning, None).with_source(source)
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

fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let seconds = response.headers().get("retry-after")?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn lacks_credentials(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| {
        matches!(
            cause.downcast_ref(),
            Some(
                CredentialsError::CredentialsNotLoaded(_)
                    | CredentialsError::InvalidConfiguration(_)
            )
        )
    })
}

fn chain(error: &(dyn Error + 'static)) -> Option<String> {
    let mut texts: Vec<String> = causes(error).map(ToString::to_string).collect();
    texts.dedup();
    Some(texts.join(": "))
}

/// What the service or the way to it said: code, request id, and no value of any parameter.
#[derive(Debug)]
struct Source {
    code: Option<String>,
    status: Option<u16>,
    request_id: Option<String>,
    detail: Option<String>,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status.map(|status| format!("HTTP {status}"));
        let request = self.request_id.as_ref().map(|id| format!("request {id}"));
        let parts = [self.code.clone(), status, request, self.detail.clone()];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

impl Error for Source {}

#[cfg(test)]
mod tests;
