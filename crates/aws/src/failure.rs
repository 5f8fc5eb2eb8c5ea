//! A call that failed: whose fault it was, and what of it may be shown.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use aws_config::imds::client::error::ImdsError;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;
use sealmq_tls::{Refusal, causes};

/// Whose fault a failure was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The service said so, with this status.
    Service(u16),
    /// The answer of this status cannot be read.
    Unreadable(u16),
    /// The SDK refused to build the request.
    Unbuildable,
    /// There are no credentials.
    NoCredentials,
    /// One side does not trust the other.
    Distrust(Refusal),
    /// There was no answer.
    NoAnswer,
}

/// What is known of a call that failed.
#[non_exhaustive]
#[derive(Debug)]
pub struct Failure {
    /// Whose fault it was.
    pub cause: Cause,
    /// The service's code.
    pub code: Option<String>,
    /// The service's words, which may repeat what must not be shown.
    pub message: Option<String>,
    /// How long the service wants not to be asked.
    pub retry_after: Option<Duration>,
    request_id: Option<String>,
    detail: Option<String>,
}

impl Failure {
    /// What is known of this error.
    pub fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let cause = match error {
            SdkError::ServiceError(service) => Cause::Service(service.raw().status().as_u16()),
            SdkError::ResponseError(response) => {
                Cause::Unreadable(response.raw().status().as_u16())
            }
            SdkError::ConstructionFailure(_) => Cause::Unbuildable,
            _ if lacks_credentials(error) => Cause::NoCredentials,
            _ => Refusal::of(error).map_or(Cause::NoAnswer, Cause::Distrust),
        };
        let detail = match cause {
            Cause::Service(_) => None,
            // The answer may hold a secret: nothing of it is repeated.
            Cause::Unreadable(_) => Some("an answer that cannot be read".to_owned()),
            Cause::Distrust(refusal) => Some(refusal.to_string()),
            _ => Some(chain(error)),
        };
        Self {
            cause,
            code: error.code().map(str::to_owned),
            message: error.message().map(str::to_owned),
            retry_after: error.raw_response().and_then(retry_after),
            request_id: error.request_id().map(str::to_owned),
            detail,
        }
    }

    /// The failure of an entry of a batch that went through as a whole.
    pub fn of_entry(code: &str, message: Option<&str>, status: u16) -> Self {
        Self {
            cause: Cause::Service(status),
            code: Some(code.to_owned()),
            message: message.map(str::to_owned),
            retry_after: None,
            request_id: None,
            detail: None,
        }
    }

    /// The status of the answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self.cause {
            Cause::Service(status) | Cause::Unreadable(status) => Some(status),
            _ => None,
        }
    }

    /// The error to keep behind one's own: code, status, request id, and of the service's words
    /// those that `shown` lets pass.
    pub fn source(self, shown: Option<String>) -> impl Error + Send + Sync + 'static {
        let status = self.status();
        let detail = self.detail.or(shown);
        Source { code: self.code, status, request_id: self.request_id, detail }
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

fn chain(error: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = causes(error).map(text).collect();
    texts.dedup();
    texts.join(": ")
}

fn text(error: &(dyn Error + 'static)) -> String {
    match error.downcast_ref() {
        // Its own text repeats the answer, body and all.
        Some(ImdsError::ErrorResponse(answer)) => {
            format!("IMDS answered HTTP {}", answer.response().status().as_u16())
        }
        _ => error.to_string(),
    }
}

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
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn missing_credentials_are_told_from_a_provider_that_is_down() {
        let missing = io::Error::other(CredentialsError::not_loaded("none"));
        assert!(lacks_credentials(&missing));
        let down = CredentialsError::provider_error("503");
        assert!(!lacks_credentials(&io::Error::other(down)));
    }

    #[test]
    fn of_the_services_words_only_those_that_were_chosen_are_kept() {
        let failure = Failure::of_entry("InvalidParameterValue", Some("s3cret"), 400);
        assert_eq!(failure.status(), Some(400));
        let shown = failure.source(Some("Must be short.".to_owned())).to_string();
        assert_eq!(shown, "InvalidParameterValue, HTTP 400, Must be short.");
    }
}
