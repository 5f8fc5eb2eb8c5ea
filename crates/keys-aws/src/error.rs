//! From the SDK's errors to ours, with the call that failed and without a secret.

use std::error::Error;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use sealmq_aws::{Cause, Failure};
use sealmq_crypto_core::{KeyError, KeyErrorKind};

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
        Failed { meaning, error: error.with_source(failure.source(shown)) }
    }

    fn error(&self, meaning: M, retry_after: Option<Duration>) -> KeyError {
        use KeyErrorKind as K;
        let kind = match meaning {
            M::NotFound | M::Shredded => K::KeyNotFound,
            M::Denied | M::Forbidden => K::Denied,
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

#[cfg(test)]
mod tests;
