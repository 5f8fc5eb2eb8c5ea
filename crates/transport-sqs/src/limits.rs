//! What SQS takes of a message and of a request.

/// Body and attributes together: of one message, and of all messages of one request.
pub(crate) const MAX_MESSAGE_BYTES: usize = 1_048_576;

/// Attributes per message.
pub(crate) const MAX_ATTRIBUTES: usize = 10;

/// Entries of one request.
pub(crate) const MAX_BATCH: usize = 10;

/// What of a reason for a dead letter and of its description is kept; the rest is cut off.
pub(crate) const MAX_REASON_BYTES: usize = 128;
pub(crate) const MAX_DESCRIPTION_BYTES: usize = 640;
