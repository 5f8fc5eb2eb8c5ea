//! One table from the errors of NATS to ours.

use std::error::Error;
use std::fmt;

use async_nats::ConnectErrorKind;
use async_nats::jetstream;
use async_nats::jetstream::context::{
    CreateStreamError, CreateStreamErrorKind, GetStreamError, GetStreamErrorKind,
};
use async_nats::jetstream::kv::UpdateError;
use async_nats::jetstream::stream::{LastRawMessageError, LastRawMessageErrorKind};
use sealmq_crypto_core::ReplayError;
use sealmq_settings::InvalidSetting;

/// What went wrong with the store, in terms an operator can act on.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NatsReplayErrorKind {
    /// The configuration, or a bucket that exists, is not acceptable.
    InvalidInput {
        /// The field to mend: of [`NatsReplayConfig`](crate::NatsReplayConfig), or of the bucket.
        field: &'static str,
    },
    /// The credentials do not allow it. What is forbidden to a client that is connected is not told
    /// apart from no answer: that is `Unavailable`.
    Denied,
    /// The bucket does not exist.
    NotFound,
    /// The bucket, the account or the server has no room.
    Full,
    /// A value in the bucket is not of the form that this guard writes.
    Malformed,
    /// The server could not be reached, did not answer in time, or failed.
    Unavailable,
}

/// An error of the replay store. `Display` is one clause.
#[derive(Debug)]
pub struct NatsReplayError {
    kind: NatsReplayErrorKind,
    context: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

use NatsReplayErrorKind as Kind;

impl NatsReplayError {
    pub(crate) fn new(kind: Kind, context: impl Into<String>) -> Self {
        Self { kind, context: context.into(), source: None }
    }

    pub(crate) fn invalid_input(field: &'static str, reason: &str) -> Self {
        Self::new(Kind::InvalidInput { field }, reason)
    }

    pub(crate) fn malformed(reason: &'static str) -> Self {
        Self::new(Kind::Malformed, reason)
    }

    pub(crate) fn unavailable(context: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, context)
    }

    /// What a call that failed means; `context` names the operation.
    pub(crate) fn of(error: impl Error + Send + Sync + 'static, context: &str) -> Self {
        let kind = api_error(&error).map_or(Kind::Unavailable, |error| api_kind(&error));
        Self { kind, context: context.into(), source: Some(Box::new(error)) }
    }

    /// What a failure to connect means.
    pub(crate) fn connecting(error: async_nats::ConnectError) -> Self {
        let kind = match error.kind() {
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                Kind::Denied
            }
            ConnectErrorKind::ServerParse => Kind::InvalidInput { field: "addresses" },
            _ => Kind::Unavailable,
        };
        Self { kind, context: "connecting".into(), source: Some(Box::new(error)) }
    }

    /// What to act on.
    pub fn kind(&self) -> &NatsReplayErrorKind {
        &self.kind
    }

    /// Whether the same call may succeed later without a change of configuration.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, Kind::Unavailable | Kind::Full)
    }
}

/// Whether a write was refused because the key was written since it was read. The client knows the
/// first of the two codes only; a cluster answers with the other one while a write is under way.
pub(crate) fn is_outrun(error: &UpdateError) -> bool {
    matches!(api_error(error), Some(api) if matches!(api.error_code().0, 10071 | 10164))
}

/// The table of the `JetStream` API: its error codes, and for those that are not in it the class of
/// the status code.
/// <https://github.com/nats-io/nats-server/blob/main/server/errors.json>
fn api_kind(error: &jetstream::Error) -> Kind {
    match error.error_code().0 {
        // Stream not found.
        10059 => Kind::NotFound,
        // Limits of the account or the server.
        10002 | 10023 | 10028 | 10047 | 10122 => Kind::Full,
        // A message could not be stored: the stream is full.
        10077 if error.to_string().contains("maximum") => Kind::Full,
        // The bucket exists with another configuration.
        10058 => Kind::InvalidInput { field: "bucket" },
        // The value is longer than the bucket takes.
        10054 => Kind::InvalidInput { field: "max_value_size" },
        // More replicas than servers, or than a server alone may keep.
        10005 | 10074 => Kind::InvalidInput { field: "replicas" },
        // JetStream is not enabled for this account.
        10039 => Kind::Denied,
        _ => match error.code() {
            401 | 403 => Kind::Denied,
            _ => Kind::Unavailable,
        },
    }
}

/// The error that the API answered with, wherever the client keeps it.
fn api_error(error: &(dyn Error + 'static)) -> Option<jetstream::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(api) = error.downcast_ref::<jetstream::Error>() {
            return Some(api.clone());
        }
        if let Some(GetStreamErrorKind::JetStream(api)) =
            error.downcast_ref::<GetStreamError>().map(|error| error.kind())
        {
            return Some(api);
        }
        if let Some(CreateStreamErrorKind::JetStream(api)) =
            error.downcast_ref::<CreateStreamError>().map(|error| error.kind())
        {
            return Some(api);
        }
        if let Some(LastRawMessageErrorKind::JetStream(api)) =
            error.downcast_ref::<LastRawMessageError>().map(|error| error.kind())
        {
            return Some(api);
        }
        next = error.source();
    }
    None
}

impl fmt::Display for NatsReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::InvalidInput { field } => write!(f, "invalid {field}")?,
            Kind::Denied => f.write_str("denied by NATS")?,
            Kind::NotFound => f.write_str("the bucket does not exist")?,
            Kind::Full => f.write_str("no room in the bucket")?,
            Kind::Malformed => f.write_str("malformed value in the bucket")?,
            Kind::Unavailable => f.write_str("NATS is unavailable")?,
        }
        write!(f, ": {}", self.context)
    }
}

impl Error for NatsReplayError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

impl From<InvalidSetting> for NatsReplayError {
    fn from(invalid: InvalidSetting) -> Self {
        Self::invalid_input(invalid.variable, &invalid.reason)
    }
}

impl From<NatsReplayError> for ReplayError {
    fn from(error: NatsReplayError) -> Self {
        Self::new(error)
    }
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream::context::{PublishError, PublishErrorKind};

    use super::*;

    /// What the client makes of a write that the API refused in these words.
    fn refused(status: u16, code: u64, description: &str) -> UpdateError {
        let answer =
            format!(r#"{{"code": {status}, "err_code": {code}, "description": "{description}"}}"#);
        let api: jetstream::Error = serde_json::from_str(&answer).unwrap();
        let kind = match code {
            10071 => PublishErrorKind::WrongLastSequence,
            _ => PublishErrorKind::Other,
        };
        PublishError::with_source(kind, api).into()
    }

    #[test]
    fn each_answer_of_the_api_has_its_meaning() {
        let table = [
            (404, 10059, "stream not found", Kind::NotFound),
            (400, 10028, "account resources exceeded", Kind::Full),
            (500, 10023, "insufficient resources", Kind::Full),
            (503, 10077, "maximum bytes exceeded", Kind::Full),
            (503, 10077, "maximum messages exceeded", Kind::Full),
            (503, 10077, "no space left on device", Kind::Unavailable),
            (400, 10058, "name already in use", Kind::InvalidInput { field: "bucket" }),
            (400, 10054, "exceeds maximum", Kind::InvalidInput { field: "max_value_size" }),
            (400, 10005, "no suitable peers", Kind::InvalidInput { field: "replicas" }),
            (500, 10074, "replicas > 1", Kind::InvalidInput { field: "replicas" }),
            (503, 10039, "not enabled for account", Kind::Denied),
            (403, 1, "anything", Kind::Denied),
            (503, 10008, "temporarily unavailable", Kind::Unavailable),
            (400, 10071, "wrong last sequence: 7", Kind::Unavailable),
        ];
        for (status, code, description, kind) in table {
            let error = NatsReplayError::of(refused(status, code, description), "writing");
            assert_eq!(error.kind(), &kind, "{code} {description}");
            assert!(error.source().is_some());
        }
    }

    #[test]
    fn a_write_that_was_outrun_is_told_from_one_that_failed() {
        for code in [10071, 10164] {
            assert!(is_outrun(&refused(400, code, "wrong last sequence")), "{code}");
        }
        assert!(!is_outrun(&refused(503, 10077, "maximum bytes exceeded")));
        assert!(!is_outrun(&PublishError::new(PublishErrorKind::TimedOut).into()));
    }
}
