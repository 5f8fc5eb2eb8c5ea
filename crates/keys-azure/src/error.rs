//! From the SDK's errors to ours, with the call that failed and without a secret.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use azure_core::error::{ErrorKind, ErrorResponse};
use azure_core::http::RawResponse;
use azure_core::http::headers::RETRY_AFTER;
use sealmq_crypto_core::{KeyError, KeyErrorKind, TenantId};

mod meaning;
mod no_answer;
#[cfg(test)]
mod tests;

pub(crate) use meaning::Meaning;
use meaning::{Meaning as M, of_credential, of_vault};
pub(crate) use no_answer::NoAnswer;

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

/// A call to the service, as far as its errors have to name it.
pub(crate) struct Call {
    /// What was tried, with its object: the context of the error.
    what: String,
    /// What the service's "bad parameter" means here.
    refused: Meaning,
}

impl Call {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), refused: M::Invalid }
    }

    /// A call whose parameter comes from a wrapped form.
    pub(crate) fn unwrapping(what: impl Into<String>) -> Self {
        Self { what: what.into(), refused: M::ContextMismatch }
    }

    pub(crate) fn failed(&self, error: &azure_core::Error) -> Failed {
        let told = Told::by(error);
        let meaning = match (error.kind(), &told) {
            (ErrorKind::Credential, Told { status, .. }) if !told.by_transport => {
                of_credential(*status, told.cause_may_pass)
            }
            (_, Told { status: Some(status), code, .. }) => {
                match of_vault(code.as_deref().unwrap_or_default(), *status) {
                    M::Invalid => self.refused,
                    meaning => meaning,
                }
            }
            // What is no answer, or no JSON, may come from anything between here and the vault.
            _ => M::Unavailable,
        };
        let retry_after = told.retry_after;
        Failed { meaning, error: self.error(meaning, retry_after).with_source(told.source()) }
    }

    pub(crate) fn timed_out(&self) -> Failed {
        let error =
            KeyError::new(KeyErrorKind::Unavailable, format!("{}: no answer in time", self.what));
        Failed { meaning: M::Unavailable, error }
    }

    /// An answer that lacks what it must hold.
    pub(crate) fn odd(&self, lacking: &str) -> KeyError {
        let context = format!("{}: the answer has no {lacking}", self.what);
        KeyError::new(KeyErrorKind::Unavailable, context)
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
            M::Invalid => K::InvalidInput { field: "request" },
        };
        KeyError::new(kind, self.what.as_str())
    }
}

/// What an error of the SDK tells, wherever in it.
#[derive(Debug, Default)]
struct Told {
    status: Option<u16>,
    code: Option<String>,
    message: Option<String>,
    retry_after: Option<Duration>,
    /// The transport said it, whatever the SDK made of it.
    by_transport: bool,
    /// Something on the way to a token failed that may not fail again.
    cause_may_pass: bool,
}

impl Told {
    fn by(error: &azure_core::Error) -> Self {
        // Without a cause the SDK itself lost the token: another call was told to get a new one.
        let mut told = Self { cause_may_pass: error.source().is_none(), ..Self::default() };
        let mut next: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(cause) = next {
            if let Some(no_answer) = cause.downcast_ref::<NoAnswer>() {
                told.by_transport = true;
                told.message = Some(no_answer.reason.clone());
            }
            if let Some(error) = cause.downcast_ref::<azure_core::Error>() {
                told.note(error.kind());
            }
            next = cause.source();
        }
        told
    }

    fn note(&mut self, kind: &ErrorKind) {
        match kind {
            ErrorKind::HttpResponse { status, error_code, raw_response } => {
                self.status = self.status.or(Some(u16::from(*status)));
                self.code = self.code.take().or_else(|| error_code.clone());
                if let Some(answer) = raw_response {
                    self.note_answer(answer);
                }
            }
            ErrorKind::Connection | ErrorKind::Io | ErrorKind::DataConversion => {
                self.cause_may_pass = true;
            }
            _ => {}
        }
    }

    fn note_answer(&mut self, answer: &RawResponse) {
        let seconds = answer.headers().get_optional_str(&RETRY_AFTER);
        let seconds = seconds.and_then(|seconds| seconds.trim().parse().ok());
        self.retry_after = self.retry_after.or(seconds.map(Duration::from_secs));
        let Ok(ErrorResponse { error: Some(detail) }) = azure_core::json::from_json(answer.body())
        else {
            return;
        };
        // The inner code says more: `Forbidden` alone is a lack of rights or a disabled key.
        let inner = detail.inner_error.and_then(|inner| inner.code);
        self.message = detail.message.filter(|_| shows(inner.as_deref()));
        self.code = inner.or(detail.code).or_else(|| self.code.take());
    }

    fn source(self) -> Source {
        Source { status: self.status, code: self.code, detail: self.message }
    }
}

/// Whether the service's words for an error with this inner code can be shown: those about rights
/// and states name callers and objects, others may repeat what was sent.
fn shows(inner_code: Option<&str>) -> bool {
    matches!(
        inner_code,
        Some(
            "AccessDenied"
                | "ForbiddenByRbac"
                | "ForbiddenByPolicy"
                | "ForbiddenByFirewall"
                | "KeyDisabled"
                | "SecretDisabled"
                | "ObjectIsDeletedButRecoverable"
                | "ObjectIsBeingDeleted"
        )
    )
}

/// What the service or the way to it said: status, code, and no value of any parameter.
#[derive(Debug)]
struct Source {
    status: Option<u16>,
    code: Option<String>,
    detail: Option<String>,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status.map(|status| format!("HTTP {status}"));
        let parts = [status, self.code.clone(), self.detail.clone()];
        let text = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
        f.write_str(if text.is_empty() { "no answer that could be read" } else { &text })
    }
}

impl Error for Source {}

pub(crate) fn malformed(reason: impl Into<String>) -> KeyError {
    KeyError::new(KeyErrorKind::Malformed, reason)
}

pub(crate) fn no_tenant(tenant: &TenantId) -> KeyError {
    let context = format!("tenant {:?} has no key in Key Vault", tenant.as_str());
    KeyError::new(KeyErrorKind::KeyNotFound, context)
}

pub(crate) fn shredded(tenant: &TenantId) -> KeyError {
    let context = format!("the keys of tenant {:?} were shredded", tenant.as_str());
    KeyError::new(KeyErrorKind::KeyNotFound, context)
}

/// The vault made a version, and its list does not show it.
pub(crate) fn not_listed_yet(key: &str) -> KeyError {
    let context = format!("the new version of key {key} is not listed yet");
    KeyError::new(KeyErrorKind::Unavailable, context)
}

pub(crate) fn creation_denied(tenant: &TenantId) -> KeyError {
    let context = format!(
        "tenant {:?} has no key in Key Vault and automatic creation is off",
        tenant.as_str()
    );
    KeyError::new(KeyErrorKind::Denied, context)
}

pub(crate) fn no_version(tenant: &TenantId, version: u32) -> KeyError {
    let context = format!("version {version} of tenant {:?}", tenant.as_str());
    KeyError::new(KeyErrorKind::WrongKeyVersion, context)
}

pub(crate) fn context_mismatch(tenant: &TenantId, version: u32) -> KeyError {
    let context = format!("version {version} of tenant {:?}", tenant.as_str());
    KeyError::new(KeyErrorKind::ContextMismatch, context)
}
