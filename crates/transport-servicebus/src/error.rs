//! What the broker says, and what a caller can do about it: one table.

use std::error::Error;
use std::fmt;

use fe2o3_amqp::types::definitions;
use fe2o3_amqp::types::definitions::ErrorCondition;
use fe2o3_amqp::types::primitives::Symbol;
use sealmq_queue_core::{TransportError, TransportErrorKind as Kind};

use crate::amqp_error::BrokerWords;

/// The feature an operation that the broker does not have is reported as.
const OPERATION: &str = "this operation";

/// AMQP conditions, those of the standard (AMQP 1.0, 2.8.15 to 2.8.18) and those of Service Bus
/// ("AMQP errors in Azure Service Bus", "Service Bus messaging exceptions").
pub(crate) fn kind_of_condition(condition: &str) -> Option<Kind> {
    Some(match condition {
        "amqp:not-found"
        | "amqp:resource-deleted"
        | "com.microsoft:entity-not-found"
        | "com.microsoft:message-not-found"
        | "com.microsoft:session-not-found" => Kind::NotFound,
        "amqp:unauthorized-access"
        | "com.microsoft:auth-failed"
        | "com.microsoft:unauthorized-access"
        | "com.microsoft:publisher-revoked"
        | "com.microsoft:entity-disabled" => Kind::Denied,
        "com.microsoft:server-busy" | "amqp:resource-limit-exceeded" => {
            Kind::Throttled { retry_after: None }
        }
        "com.microsoft:message-lock-lost"
        | "com.microsoft:session-lock-lost"
        | "com.microsoft:store-lock-lost" => Kind::LockLost,
        "com.microsoft:session-cannot-be-locked" => Kind::SessionLocked,
        "amqp:link:message-size-exceeded" => Kind::TooLarge { size_bytes: 0, limit_bytes: 0 },
        "amqp:not-allowed" | "com.microsoft:operation-not-allowed" => {
            Kind::InvalidInput { field: "operation" }
        }
        "amqp:decode-error" | "amqp:invalid-field" | "amqp:precondition-failed" => {
            Kind::InvalidInput { field: "message" }
        }
        "com.microsoft:argument-error"
        | "com.microsoft:argument-out-of-range"
        | "com.microsoft:entity-already-exists" => Kind::InvalidInput { field: "argument" },
        "amqp:not-implemented" => Kind::Unsupported { feature: OPERATION },
        "com.microsoft:timeout"
        | "com.microsoft:operation-cancelled"
        | "com.microsoft:container-close"
        | "com.microsoft:partition-not-owned"
        | "amqp:internal-error"
        | "amqp:illegal-state"
        | "amqp:resource-locked"
        | "amqp:frame-size-too-small"
        | "amqp:connection:forced"
        | "amqp:connection:framing-error"
        | "amqp:connection:redirect"
        | "amqp:session:window-violation"
        | "amqp:session:errant-link"
        | "amqp:session:handle-in-use"
        | "amqp:session:unattached-handle"
        | "amqp:link:detach-forced"
        | "amqp:link:transfer-limit-exceeded"
        | "amqp:link:redirect"
        | "amqp:link:stolen" => Kind::Unavailable,
        _ => return None,
    })
}

/// Status codes of replies to requests, for those that state no condition we know.
pub(crate) fn kind_of_status(status: i64) -> Kind {
    match status {
        400 | 409 => Kind::InvalidInput { field: "argument" },
        401 | 403 => Kind::Denied,
        404 => Kind::NotFound,
        410 => Kind::LockLost,
        413 => Kind::TooLarge { size_bytes: 0, limit_bytes: 0 },
        429 | 503 => Kind::Throttled { retry_after: None },
        501 => Kind::Unsupported { feature: OPERATION },
        _ => Kind::Unavailable,
    }
}

/// The name of a condition.
pub(crate) fn condition_name(condition: &ErrorCondition) -> String {
    let symbol = match condition {
        ErrorCondition::AmqpError(error) => Symbol::from(error),
        ErrorCondition::ConnectionError(error) => Symbol::from(error),
        ErrorCondition::SessionError(error) => Symbol::from(error),
        ErrorCondition::LinkError(error) => Symbol::from(error),
        ErrorCondition::Custom(symbol) => symbol.clone(),
    };
    symbol.0
}

/// The words of the broker, as the source of an error.
#[derive(Debug)]
pub(crate) struct BrokerAnswer {
    condition: String,
    description: String,
}

impl fmt::Display for BrokerAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.condition, self.description)
    }
}

impl Error for BrokerAnswer {}

/// The condition that the broker stated, where it is the source of an error.
pub(crate) fn condition_of(error: &TransportError) -> Option<&str> {
    let answer = error.source()?.downcast_ref::<BrokerAnswer>()?;
    Some(answer.condition.as_str())
}

/// Whether the broker misses a token, as opposed to having closed the entity to everyone.
pub(crate) fn is_unauthorized(error: &TransportError) -> bool {
    condition_of(error) == Some("amqp:unauthorized-access")
}

/// What the end of a link comes to that was attached before. One that ended for want of a token
/// may be had again with another; if that is refused too, attaching says so.
pub(crate) fn link_ended(error: TransportError, context: &str) -> TransportError {
    if is_unauthorized(&error) { unavailable(context).with_source(error) } else { error }
}

/// What a condition and its description come to.
pub(crate) fn answered(condition: &str, description: &str, context: &str) -> TransportError {
    let kind = kind_of_condition(condition).unwrap_or(Kind::Unavailable);
    explained(kind, condition, description, context)
}

/// An error of this kind, with the words of the broker behind it.
pub(crate) fn explained(
    kind: Kind,
    condition: &str,
    description: &str,
    context: &str,
) -> TransportError {
    let answer =
        BrokerAnswer { condition: condition.to_owned(), description: description.to_owned() };
    TransportError::new(kind, context).with_source(answer)
}

/// What an error that the broker gave as an outcome or with a detach comes to.
pub(crate) fn refused(error: &definitions::Error, context: &str) -> TransportError {
    let condition = condition_name(&error.condition);
    answered(&condition, error.description.as_deref().unwrap_or_default(), context)
}

/// What a failure inside the AMQP library comes to: the broker's words where it holds any, else
/// the connection is to blame.
pub(crate) fn failed<E>(error: E, context: &str) -> TransportError
where
    E: BrokerWords + Error + Send + Sync + 'static,
{
    match error.broker_words() {
        Some(words) => refused(words, context),
        None => TransportError::new(Kind::Unavailable, context).with_source(error),
    }
}

/// `Unavailable`, because something took too long or is gone.
pub(crate) fn unavailable(context: impl Into<String>) -> TransportError {
    TransportError::new(Kind::Unavailable, context)
}

/// `LockLost`, for the object of the attempt.
pub(crate) fn lock_lost(context: impl Into<String>) -> TransportError {
    TransportError::new(Kind::LockLost, context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_is_an_error_to_act_on() {
        let throttled = Kind::Throttled { retry_after: None };
        let table = [
            ("amqp:not-found", Kind::NotFound, false),
            ("com.microsoft:message-not-found", Kind::NotFound, false),
            ("amqp:unauthorized-access", Kind::Denied, false),
            ("com.microsoft:entity-disabled", Kind::Denied, false),
            ("com.microsoft:server-busy", throttled.clone(), true),
            ("amqp:resource-limit-exceeded", throttled, true),
            ("com.microsoft:timeout", Kind::Unavailable, true),
            ("amqp:internal-error", Kind::Unavailable, true),
            ("amqp:connection:forced", Kind::Unavailable, true),
            ("amqp:link:detach-forced", Kind::Unavailable, true),
            ("com.microsoft:message-lock-lost", Kind::LockLost, false),
            ("com.microsoft:session-lock-lost", Kind::LockLost, false),
            ("com.microsoft:session-cannot-be-locked", Kind::SessionLocked, false),
            (
                "amqp:link:message-size-exceeded",
                Kind::TooLarge { size_bytes: 0, limit_bytes: 0 },
                false,
            ),
            ("amqp:not-allowed", Kind::InvalidInput { field: "operation" }, false),
            ("amqp:decode-error", Kind::InvalidInput { field: "message" }, false),
            ("com.microsoft:argument-error", Kind::InvalidInput { field: "argument" }, false),
            ("amqp:not-implemented", Kind::Unsupported { feature: OPERATION }, false),
            ("com.example:never-heard-of", Kind::Unavailable, true),
        ];
        for (condition, kind, retryable) in table {
            let error = answered(condition, "", "context");
            assert_eq!(error.kind(), &kind, "{condition}");
            assert_eq!(error.is_retryable(), retryable, "{condition}");
        }
    }

    #[test]
    fn every_status_is_an_error_to_act_on() {
        let table = [
            (400, Kind::InvalidInput { field: "argument" }),
            (401, Kind::Denied),
            (403, Kind::Denied),
            (404, Kind::NotFound),
            (408, Kind::Unavailable),
            (410, Kind::LockLost),
            (500, Kind::Unavailable),
            (501, Kind::Unsupported { feature: OPERATION }),
            (503, Kind::Throttled { retry_after: None }),
        ];
        for (status, kind) in table {
            assert_eq!(kind_of_status(status), kind, "{status}");
        }
    }

    #[test]
    fn a_link_that_ended_for_want_of_a_token_is_not_denied_for_good() {
        let ended = |condition| link_ended(answered(condition, "Code: RenewToken", "send"), "send");
        let expired = ended("amqp:unauthorized-access");
        assert_eq!(expired.kind(), &Kind::Unavailable);
        assert!(expired.is_retryable() && expired.source().is_some());
        assert_eq!(ended("com.microsoft:entity-disabled").kind(), &Kind::Denied);
        assert_eq!(ended("amqp:not-found").kind(), &Kind::NotFound);
    }

    #[test]
    fn an_error_shows_what_the_broker_said() {
        let error = answered("amqp:not-found", "no such entity", "send to queue q");
        assert_eq!(error.to_string(), "not found: send to queue q");
        let source = error.source().map(ToString::to_string);
        assert_eq!(source.as_deref(), Some("amqp:not-found: no such entity"));
    }
}
