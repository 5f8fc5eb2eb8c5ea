//! What a self-test seals and opens, so that it is never taken for a message.

use std::sync::Arc;

use crate::context::{ContextScope, EncryptionContext};
use crate::error::CryptoError;

/// The body that is sealed.
pub(crate) const BODY: &[u8] = b"sealmq self-test";

/// The context of a self-test: a message type that no message has.
pub(crate) fn context(scope: &Arc<ContextScope>) -> Result<EncryptionContext, CryptoError> {
    EncryptionContext::builder(scope, "self-test").message_type(Some("sealmq.self-test")).build()
}

/// What was opened must be what was sealed.
pub(crate) fn check(opened: &[u8]) -> Result<(), CryptoError> {
    if opened == BODY { Ok(()) } else { Err(CryptoError::authentication_failed()) }
}
