//! From the SDK's errors to ours, with the call that failed and without a secret.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;
use sealmq_crypto_core::{KeyError, KeyErrorKind};
use sealmq_tls::{causes, distrusts};

#[cfg(feature = "kms")]
mod keks;
mod meaning;

#[cfg(feature = "kms")]
pub(crate) use keks::{no_tenant, no_version, refused, shredded};
use meaning::meaning;

pub(crate) use meaning::Meaning;
use meaning::Meaning as M;

/// A call that failed, with what the service meant by it.
pub(crate) struct Failed {
    pub(crate) meaning: Meaning,
    pub(crate) error: KeyError,
}

impl From<Failed> for KeyError {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

/// A call to a service, as far as its errors have to name it.
pub(crate) struct Call {
    /// What was tried, with its object: the context of the error.
    what: String,
    /// The field of our API that the service's "invalid" is about.
    field: &'static str,
}

impl Call {
    pub(crate) fn new(what: impl Into<String>, field: &'static str) -> Self {
        Self { what: what.into(), field }
    }

    pub(crate) fn failed<E>(&self, error: &SdkError<E, HttpResponse>) -> Failed
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
                // The answer may hold a key: nothing of it is repeated.
                SdkError::ResponseError(_) => Some("an answer that cannot be read".to_owned()),
                _ => chain(error),
            },
        };
        let retry_after = error.raw_response().and_then(retry_after);
        Failed { meaning, error: self.error(meaning, retry_after).with_source(source) }
    }

    fn error(&self, meaning: M, retry_after: Option<Duration>) -> KeyError {
        use KeyErrorKind as K;
        let kind = match meaning {
            M::NotFound | M::Shredded => K::KeyNotFound,
            M::Denied => K::Denied,
            M::Disabled => K::Disabled,
            M::Throttled => K::Throttled { retry_after },
            M::Unavailable => K::Unavailable,
            M::ContextMismatch => K::ContextMismatch,
            M::Exists | M::Invalid => K::InvalidInput { field: self.field },
        };
        KeyError::new(kind, self.what.as_str())
    }
}

/// An answer that lacks something, or says what it cannot say.
pub(crate) fn malformed(reason: impl Into<String>) -> KeyError {
    KeyError::new(KeyErrorKind::Malformed, reason)
}

/// The service's words for an error, as far as they can be shown.
///
/// The reasons for a refused signature repeat signed headers, a session token among them, and those
/// for a bad parameter repeat its value.
fn shown(code: Option<&str>, message: Option<&str>) -> Option<String> {
    match code? {
        "AccessDenied"
        | "AccessDeniedException"
        | "DisabledException"
        | "KMSInvalidStateException"
        | "LimitExceededException"
        | "NotFoundException"
        | "ResourceNotFoundException" => message.map(str::to_owned),
        _ => None,
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
