//! What several groups of cases check alike.

use sealmq_queue_core::{Bytes, Message, TransportError, TransportErrorKind};

use crate::outcome::{CaseResult, Stop};

/// The bodies as text, in order of the text: sets are compared, not sequences.
pub(super) fn bodies(messages: &[Message]) -> Vec<String> {
    let mut bodies: Vec<_> = messages.iter().map(body_text).collect();
    bodies.sort();
    bodies
}

/// The body as text.
pub(super) fn body_text(message: &Message) -> String {
    String::from_utf8_lossy(&message.body).into_owned()
}

/// What was received is what was sent; times and delays concern the broker only.
#[track_caller]
pub(super) fn check_same(received: &Message, sent: &Message) -> CaseResult {
    check_body(&received.body, &sent.body)?;
    let metadata = |message: &Message| {
        [
            ("id", Some(message.id.clone())),
            ("session_id", message.session_id.clone()),
            ("correlation_id", message.correlation_id.clone()),
            ("reply_to", message.reply_to.clone()),
            ("message_type", message.message_type.clone()),
            ("content_type", message.content_type.clone()),
        ]
    };
    check_eq!(metadata(received), metadata(sent), "the metadata arrives as it was sent");
    check_eq!(
        received.attributes,
        sent.attributes,
        "the attributes arrive as they were sent, and no others"
    );
    Ok(())
}

/// The body arrived byte for byte. Says where it differs instead of showing both.
#[track_caller]
pub(super) fn check_body(received: &Bytes, sent: &Bytes) -> CaseResult {
    if received == sent {
        return Ok(());
    }
    let same = received.iter().zip(sent).take_while(|(a, b)| a == b);
    Err(Stop::broken(format!(
        "the body arrives byte for byte, but of {} bytes {} arrived, the first {} of them alike",
        sent.len(),
        received.len(),
        same.count()
    )))
}

/// The call was refused because of this field.
#[track_caller]
pub(super) fn check_invalid(error: &TransportError, field: &str) -> CaseResult {
    check_matches!(
        error.kind(),
        TransportErrorKind::InvalidInput { field: found } if *found == field,
        "the call is refused because of `{field}`, before any I/O"
    );
    check!(!error.is_retryable(), "invalid input is not retried");
    Ok(())
}
