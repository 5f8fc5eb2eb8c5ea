//! From what a token answers to our errors: one table, which also says whether a session is broken.

use cryptoki::error::{Error, RvError};
use sealmq_crypto_core::{KeyError, KeyErrorKind, TenantId};

/// Why a piece of work on a session failed.
pub(crate) enum Failure {
    /// The module or the token refused a call.
    Call(Error),
    /// The call succeeded, or was not made, and its outcome is an error all the same.
    Refused(KeyError),
    /// The session is not logged in any more: it sees no private object.
    LoggedOut,
}

/// Whether a session can be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Session {
    Usable,
    Broken,
}

impl Failure {
    /// The key that a handle names is gone: somebody destroyed it.
    pub(crate) fn is_vanished_key(&self) -> bool {
        let Self::Call(Error::Pkcs11(error, _)) = self else { return false };
        matches!(error, RvError::KeyHandleInvalid | RvError::ObjectHandleInvalid)
    }

    pub(crate) fn session(&self) -> Session {
        match self {
            Self::Call(Error::Pkcs11(error, _)) => meaning(error).1,
            Self::Refused(_) => Session::Usable,
            Self::Call(_) | Self::LoggedOut => Session::Broken,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Call(error)
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Self::Refused(error)
    }
}

impl From<Failure> for KeyError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Call(error) => call_error(error),
            Failure::Refused(error) => error,
            Failure::LoggedOut => Self::new(KeyErrorKind::Unavailable, "the token was logged out"),
        }
    }
}

fn call_error(error: Error) -> KeyError {
    let (kind, context) = match &error {
        Error::Pkcs11(answer, function) => (meaning(answer).0, format!("{function}")),
        Error::NotSupported | Error::NullFunctionPointer => {
            (KeyErrorKind::Denied, "the module lacks a function".to_owned())
        }
        Error::LibraryLoading(_) | Error::MissingSymbol(_) => {
            let kind = KeyErrorKind::InvalidInput { field: "module" };
            (kind, "is no PKCS#11 module that can be loaded".to_owned())
        }
        _ => (KeyErrorKind::Malformed, "an answer of the module".to_owned()),
    };
    KeyError::new(kind, context).with_source(error)
}

/// What an answer means for the caller and for the session it came by.
///
/// What is not listed is a fault that a new session may cure.
fn meaning(answer: &RvError) -> (KeyErrorKind, Session) {
    use KeyErrorKind as K;
    use RvError as R;
    use Session::{Broken, Usable};
    match answer {
        R::PinIncorrect
        | R::PinInvalid
        | R::PinLenRange
        | R::PinExpired
        | R::PinLocked
        | R::PinTooWeak
        | R::UserPinNotInitialized
        | R::UserTypeInvalid
        | R::UserAnotherAlreadyLoggedIn
        | R::UserTooManyTypes => (K::Denied, Usable),
        R::SessionReadOnly
        | R::SessionReadWriteSoExists
        | R::TokenWriteProtected
        | R::ActionProhibited
        | R::FunctionRejected
        | R::KeyFunctionNotPermitted => (K::Denied, Usable),
        R::AttributeReadOnly
        | R::AttributeTypeInvalid
        | R::AttributeValueInvalid
        | R::TemplateIncomplete
        | R::TemplateInconsistent
        | R::MechanismInvalid
        | R::MechanismParamInvalid
        | R::KeySizeRange
        | R::KeyTypeInconsistent
        | R::FunctionNotSupported => (K::Denied, Usable),
        R::EncryptedDataInvalid | R::EncryptedDataLenRange => (K::ContextMismatch, Usable),
        R::SessionCount => (K::Throttled { retry_after: None }, Usable),
        R::KeyHandleInvalid | R::ObjectHandleInvalid | R::DeviceMemory => (K::Unavailable, Usable),
        _ => (K::Unavailable, Broken),
    }
}

/// The token says that the ciphertext is not authentic.
pub(crate) fn says_not_authentic(error: &Error) -> bool {
    use RvError as R;
    let Error::Pkcs11(answer, _) = error else { return false };
    matches!(answer, R::EncryptedDataInvalid | R::EncryptedDataLenRange | R::SignatureInvalid)
}

/// The token says that something failed, as some do when a ciphertext is not authentic.
pub(crate) fn says_too_little(error: &Error) -> bool {
    use RvError as R;
    let Error::Pkcs11(answer, _) = error else { return false };
    matches!(answer, R::GeneralError | R::FunctionFailed | R::DataInvalid | R::DataLenRange)
        || matches!(answer, R::VendorDefined(_))
}

pub(crate) fn malformed(reason: impl Into<String>) -> KeyError {
    KeyError::new(KeyErrorKind::Malformed, reason)
}

pub(crate) fn denied(reason: impl Into<String>) -> KeyError {
    KeyError::new(KeyErrorKind::Denied, reason)
}

pub(crate) fn unavailable(reason: impl Into<String>) -> KeyError {
    KeyError::new(KeyErrorKind::Unavailable, reason)
}

pub(crate) fn no_tenant(tenant: &TenantId) -> KeyError {
    let context = format!("tenant {:?} has no KEK in the token", tenant.as_str());
    KeyError::new(KeyErrorKind::KeyNotFound, context)
}

pub(crate) fn shredded(tenant: &TenantId) -> KeyError {
    let context = format!("the keys of tenant {:?} were shredded", tenant.as_str());
    KeyError::new(KeyErrorKind::KeyNotFound, context)
}

pub(crate) fn creation_denied(tenant: &TenantId) -> KeyError {
    denied(format!("tenant {:?} has no KEK and automatic creation is off", tenant.as_str()))
}

pub(crate) fn no_version(tenant: &TenantId, version: u32) -> KeyError {
    let context = format!("version {version} of tenant {:?}", tenant.as_str());
    KeyError::new(KeyErrorKind::WrongKeyVersion, context)
}

pub(crate) fn context_mismatch(tenant: &TenantId, version: u32) -> KeyError {
    let context = format!("version {version} of tenant {:?}", tenant.as_str());
    KeyError::new(KeyErrorKind::ContextMismatch, context)
}

#[cfg(test)]
mod tests;
