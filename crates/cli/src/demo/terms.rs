//! What all parts of the demo go by: names, how long they wait, how they say that it broke.

use std::error::Error;
use std::time::Duration;

use sealmq::EncryptionKeyId;

use crate::error::CliError;

pub(super) const ENVIRONMENT: &str = "demo";

/// How long a message that must be there is waited for.
pub(super) const WAIT: Duration = Duration::from_secs(5);

pub(super) fn key_id(id: &str) -> Result<EncryptionKeyId, CliError> {
    EncryptionKeyId::new(id).map_err(broken)
}

/// What stopped the demo: the broker, or a lack of memory or randomness.
pub(super) fn broken(error: impl Into<Box<dyn Error>>) -> CliError {
    CliError::failed("the demo could not be performed").because(error)
}
