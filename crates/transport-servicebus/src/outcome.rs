//! Settlements as requests state them, and as links do.

use fe2o3_amqp::link::receiver::TerminalDeliveryState;
use fe2o3_amqp::types::definitions::{Error, ErrorCondition, Fields};
use fe2o3_amqp::types::messaging::{Accepted, Modified, Rejected};
use fe2o3_amqp::types::primitives::{Symbol, Value};
use sealmq_queue_core::{Settlement, TransportError};

use crate::capabilities::NAME;
use crate::management;

const DEAD_LETTER: &str = "com.microsoft:dead-letter";
/// "Service Bus quotas": reason and description of a dead letter.
const MAX_REASON_CHARACTERS: usize = 4_096;

/// One way for a delivery to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Completed,
    Abandoned,
    DeadLettered { reason: String, description: String },
    Deferred,
}

impl Outcome {
    /// The outcome that a settlement asks for; a delay is not part of it.
    pub(crate) fn of(settlement: Settlement) -> Result<Self, TransportError> {
        Ok(match settlement {
            Settlement::Complete => Self::Completed,
            Settlement::Abandon { .. } => Self::Abandoned,
            Settlement::DeadLetter { reason, description } => {
                for (field, text) in [("reason", &reason), ("description", &description)] {
                    if text.chars().count() > MAX_REASON_CHARACTERS {
                        let limit = format!("at most {MAX_REASON_CHARACTERS} characters");
                        return Err(TransportError::invalid_input(field, limit));
                    }
                }
                Self::DeadLettered { reason, description }
            }
            Settlement::Defer => Self::Deferred,
            _ => return Err(TransportError::unsupported(NAME, "this settlement")),
        })
    }

    /// The fields of an `update-disposition` request.
    pub(crate) fn to_fields(&self) -> management::Fields {
        let (status, words) = match self {
            Self::Completed => ("completed", None),
            Self::Abandoned => ("abandoned", None),
            Self::Deferred => ("defered", None), // as the service spells it
            Self::DeadLettered { reason, description } => {
                ("suspended", Some((reason, description)))
            }
        };
        let mut fields = vec![("disposition-status", Value::String(status.to_owned()))];
        if let Some((reason, description)) = words {
            fields.push(("deadletter-reason", Value::String(reason.clone())));
            fields.push(("deadletter-description", Value::String(description.clone())));
        }
        fields
    }

    /// The state of a delivery on its link.
    pub(crate) fn to_state(&self) -> TerminalDeliveryState {
        let modified = |undeliverable_here| Modified {
            delivery_failed: Some(true),
            undeliverable_here: Some(undeliverable_here),
            message_annotations: None,
        };
        match self {
            Self::Completed => Accepted {}.into(),
            Self::Abandoned => modified(false).into(),
            Self::Deferred => modified(true).into(),
            Self::DeadLettered { reason, description } => {
                let mut info = Fields::new();
                let text = |text: &str| Value::String(text.to_owned());
                info.insert(Symbol::from("DeadLetterReason"), text(reason));
                info.insert(Symbol::from("DeadLetterErrorDescription"), text(description));
                let condition = ErrorCondition::Custom(Symbol::from(DEAD_LETTER));
                Rejected { error: Some(Error::new(condition, None, Some(info))) }.into()
            }
        }
    }
}

/// The state of a message that cannot be read: it is dead-lettered, or it would come for ever.
pub(crate) fn unreadable() -> TerminalDeliveryState {
    let outcome = Outcome::DeadLettered {
        reason: "UnreadableMessage".to_owned(),
        description: "the message is not encoded as AMQP 1.0 says".to_owned(),
    };
    outcome.to_state()
}
