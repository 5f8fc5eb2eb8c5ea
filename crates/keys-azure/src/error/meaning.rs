//! What the service's errors mean: one table, keyed by their codes.

/// What an error means to the caller, whatever was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    NotFound,
    /// It was deleted, and its name is taken until it is purged.
    Shredded,
    Denied,
    /// Denied to who is known: no policy or role allows it.
    Forbidden,
    Disabled,
    Throttled,
    Unavailable,
    ContextMismatch,
    Invalid,
}

use Meaning as M;

/// Inner codes first, outer ones where there are none.
///
/// Sources: <https://learn.microsoft.com/azure/key-vault/general/rest-error-codes> and
/// <https://learn.microsoft.com/azure/key-vault/general/common-error-codes>.
pub(super) const MEANINGS: &[(&str, Meaning)] = &[
    ("KeyNotFound", M::NotFound),
    ("SecretNotFound", M::NotFound),
    ("ObjectIsDeletedButRecoverable", M::Shredded),
    ("ObjectIsBeingDeleted", M::Unavailable), // soon it is deleted and recoverable
    ("ObjectIsBeingRecovered", M::Unavailable),
    ("Unauthorized", M::Denied),
    ("AccessDenied", M::Forbidden),
    ("Forbidden", M::Forbidden),
    ("ForbiddenByPolicy", M::Forbidden),
    ("ForbiddenByRbac", M::Forbidden),
    ("ForbiddenByFirewall", M::Denied),
    ("ForbiddenByConnection", M::Denied),
    ("KeyOperationForbidden", M::Denied),
    ("KeyDisabled", M::Disabled),
    ("KeyExpired", M::Disabled),
    ("KeyNotYetValid", M::Disabled),
    ("SecretDisabled", M::Disabled),
    ("Throttled", M::Throttled),
    ("BadParameter", M::Invalid),
];

/// What an answer of the vault means.
pub(super) fn of_vault(code: &str, status: u16) -> Meaning {
    let known = MEANINGS.iter().find(|(name, _)| *name == code).map(|(_, meaning)| *meaning);
    match (known, status) {
        // A failure of the server stays one, whatever it calls it.
        (_, 500..=599) => M::Unavailable,
        (Some(known), _) => known,
        (None, 401 | 403) => M::Denied,
        (None, 429) => M::Throttled,
        (None, 400 | 405..=407 | 413..=428) => M::Invalid,
        // No 404 of the vault is without its code: this one is from something before it.
        (None, _) => M::Unavailable,
    }
}

/// What an answer means that a credential got where tokens are made. Missing identities are 400;
/// 404 and 410 say that the endpoint is not ready.
///
/// Source: <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#error-handling>
pub(super) fn of_credential(status: Option<u16>, cause_may_pass: bool) -> Meaning {
    match status {
        Some(400..=403) => M::Denied,
        Some(429) => M::Throttled,
        Some(_) => M::Unavailable,
        None if cause_may_pass => M::Unavailable,
        None => M::Denied, // nothing was sent: the credential refused it
    }
}
