//! Which metadata a message is bound to, and how the receiver learns it.

use std::sync::Arc;

use sealmq_crypto_core::{ContextScope, CryptoError, EncryptionContext};
use sealmq_queue_core::{Attributes, Message};

/// The marker attribute: names of the bound user attributes, sorted, comma-separated.
pub(crate) const BOUND_ATTRIBUTE: &str = "sealmq-bound";

/// The message type that session states are bound to, and messages may not have, so that a state
/// is never taken for a message or the other way round.
pub(crate) const STATE_TYPE: &str = "sealmq.session-state";

/// User attributes may not begin with this.
pub(crate) const RESERVED_PREFIX: &str = "sealmq-";

/// Carries the trace context (W3C Trace Context).
pub(crate) const TRACEPARENT: &str = "traceparent";

/// Intermediaries may rewrite these, so they are never bound.
const NEVER_BOUND: [&str; 4] = [TRACEPARENT, "tracestate", "baggage", "Diagnostic-Id"];

/// The names of a message's attributes that are to be bound, sorted, comma-separated; empty when
/// there are none.
pub(crate) fn bound_names(attributes: &Attributes) -> String {
    // A BTreeMap is sorted by the bytes of its names already.
    let names: Vec<&str> = attributes
        .keys()
        .map(String::as_str)
        .filter(|name| !NEVER_BOUND.contains(name) && *name != BOUND_ATTRIBUTE)
        .collect();
    names.join(",")
}

/// The context of a message, with the attributes of this list bound.
///
/// There is one list for a set of attributes: names that are there, in ascending order. Another
/// one was not made by a sender, even if it names the same attributes.
pub(crate) fn context_of(
    scope: &Arc<ContextScope>,
    message: &Message,
    bound: &str,
) -> Result<EncryptionContext, CryptoError> {
    if message.message_type.as_deref() == Some(STATE_TYPE) {
        return Err(CryptoError::invalid_input("message_type", "is that of session states"));
    }
    let mut context = EncryptionContext::builder(scope, &message.id)
        .message_type(message.message_type.as_deref())
        .content_type(message.content_type.as_deref())
        .session_id(message.session_id.as_deref())
        .correlation_id(message.correlation_id.as_deref())
        .reply_to(message.reply_to.as_deref());
    if bound.is_empty() && !message.attributes.contains_key(BOUND_ATTRIBUTE) {
        return context.build();
    }
    let mut before = "";
    for name in bound.split(',') {
        let value = message.attributes.get(name).filter(|_| before < name);
        let Some(value) = value else {
            return Err(CryptoError::invalid_input(BOUND_ATTRIBUTE, "is no list of attributes"));
        };
        context = context.attribute(name, value);
        before = name;
    }
    context.build()
}

/// Splits what arrived into the attributes that the seal covers and those that anyone may have
/// added on the way. The marker attribute itself is in neither.
pub(crate) fn split_attributes(
    mut attributes: Attributes,
    bound: &str,
) -> (Attributes, Attributes) {
    let mut authenticated = Attributes::new();
    for name in bound.split(',') {
        if let Some(entry) = attributes.remove_entry(name) {
            authenticated.insert(entry.0, entry.1);
        }
    }
    attributes.remove(BOUND_ATTRIBUTE);
    (authenticated, attributes)
}
