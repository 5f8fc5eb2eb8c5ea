//! The log events of sending and receiving, by name. None holds a body or an attribute value.

use sealmq_crypto_core::{CryptoError, PlaintextVerdict};
use tracing::{Level, enabled, event};

/// What the events tell of a message.
pub(crate) struct Subject<'a> {
    pub(crate) queue: &'a str,
    pub(crate) message_id: &'a str,
    pub(crate) session_id: Option<&'a str>,
}

const SENT_SEALED: Level = Level::DEBUG;

/// Whether "Message sent with encryption" is listened to: making its fields costs something.
pub(crate) fn sealed_events_enabled() -> bool {
    enabled!(target: "sealmq", SENT_SEALED)
}

pub(crate) fn sent_sealed(subject: &Subject<'_>, key_id: &str) {
    let Subject { queue, message_id, session_id } = subject;
    event!(target: "sealmq", Level::DEBUG, queue, message_id, session_id, encrypted = true, key_id,
        "Message sent with encryption");
}

pub(crate) fn received_sealed(subject: &Subject<'_>, key_id: &str) {
    let Subject { queue, message_id, session_id } = subject;
    event!(target: "sealmq", Level::DEBUG, queue, message_id, session_id, encrypted = true, key_id,
        "Message received with encryption");
}

pub(crate) fn sent_plaintext(subject: &Subject<'_>, verdict: PlaintextVerdict) {
    let Subject { queue, message_id, session_id } = subject;
    match verdict {
        PlaintextVerdict::Pass => event!(target: "sealmq", Level::WARN, queue, message_id,
            session_id, encrypted = false, "Message sent WITHOUT encryption"),
        PlaintextVerdict::PassWithAlert => event!(target: "sealmq", Level::ERROR, queue,
            message_id, session_id, encrypted = false, "Message sent WITHOUT encryption"),
    }
}

pub(crate) fn received_plaintext(subject: &Subject<'_>, verdict: PlaintextVerdict) {
    let Subject { queue, message_id, session_id } = subject;
    match verdict {
        PlaintextVerdict::Pass => event!(target: "sealmq", Level::WARN, queue, message_id,
            session_id, encrypted = false, "Message received WITHOUT encryption"),
        PlaintextVerdict::PassWithAlert => event!(target: "sealmq", Level::ERROR, queue,
            message_id, session_id, encrypted = false, "Message received WITHOUT encryption"),
    }
}

/// A message that was not handed out. Retryable errors are a warning: the message comes again.
pub(crate) fn rejected(subject: &Subject<'_>, error: &CryptoError) {
    let Subject { queue, message_id, session_id } = subject;
    let error_type = error.code();
    if error.is_retryable() {
        event!(target: "sealmq", Level::WARN, queue, message_id, session_id, error_type, %error,
            "Message could not be opened for now");
    } else {
        event!(target: "sealmq", Level::ERROR, queue, message_id, session_id, error_type, %error,
            "Message rejected");
    }
}
