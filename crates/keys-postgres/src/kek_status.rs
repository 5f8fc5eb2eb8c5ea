//! What a version of a KEK still does, as its row says.

use sealmq_crypto_core::KeyError;

use crate::error::malformed;

/// What a version of a KEK still does.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KekStatus {
    /// It wraps and opens.
    Active,
    /// It opens.
    DecryptOnly,
    /// It is refused, and can be had back until its grace period is over.
    PendingDeletion,
    /// It is gone for good; its row stays.
    Destroyed,
}

impl KekStatus {
    pub(crate) fn parse(text: &str) -> Result<Self, KeyError> {
        Ok(match text {
            "active" => Self::Active,
            "decrypt_only" => Self::DecryptOnly,
            "pending_deletion" => Self::PendingDeletion,
            "destroyed" => Self::Destroyed,
            _ => return Err(malformed("a row of kms_keys has an unknown status")),
        })
    }
}
