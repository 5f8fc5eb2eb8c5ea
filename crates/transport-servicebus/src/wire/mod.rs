//! Messages as the broker carries them, and back ("Messages, payloads, and serialization").
//!
//! | ours | AMQP |
//! | --- | --- |
//! | `id`, `correlation_id`, `reply_to`, `content_type` | the properties of those names |
//! | `message_type`, `session_id` | `subject`, `group-id` |
//! | `attributes` | application properties, as strings |
//! | `time_to_live` | `ttl` of the header; from 50 days on also `absolute-expiry-time` |
//! | `delay` | the annotation `x-opt-scheduled-enqueue-time` |
//! | `body` | one data section |

mod copy;
mod decode;
mod encode;
mod lock_token;

pub(crate) use copy::{Purpose, copy};
pub(crate) use decode::{Broker, Incoming, Original, decode, decode_bytes};
pub(crate) use encode::{batch, check, encode, encoded_bytes, encoded_size};
pub(crate) use lock_token::LockToken;

/// The id the sender gave, on a copy: the copy goes by another id, or a queue that drops
/// duplicates would drop it.
const MESSAGE_ID: &str = "sealmq-message-id";
/// How many copies there were of the message before this one, this one included.
const COPIES: &str = "sealmq-copies";
/// Deliveries of the message before it was copied.
const DELIVERIES: &str = "sealmq-deliveries";
const DEAD_LETTER_REASON: &str = "DeadLetterReason";
const DEAD_LETTER_DESCRIPTION: &str = "DeadLetterErrorDescription";

/// Application properties that are not the user's.
const RESERVED: [&str; 5] =
    [MESSAGE_ID, COPIES, DELIVERIES, DEAD_LETTER_REASON, DEAD_LETTER_DESCRIPTION];

const SCHEDULED_TIME: &str = "x-opt-scheduled-enqueue-time";
const SEQUENCE_NUMBER: &str = "x-opt-sequence-number";
const ENQUEUED_TIME: &str = "x-opt-enqueued-time";
const LOCKED_UNTIL: &str = "x-opt-locked-until";
const LOCK_TOKEN: &str = "x-opt-lock-token";

#[cfg(test)]
mod tests;
