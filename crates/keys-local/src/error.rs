//! The errors of this crate, each made in one place.

#[cfg(unix)]
use std::{io, path::Path};

use sealmq_crypto_core::{EncryptionKeyId, KeyError, KeyErrorKind, TenantId};

pub(crate) fn malformed(reason: impl Into<String>) -> KeyError {
    KeyError::new(KeyErrorKind::Malformed, reason)
}

pub(crate) fn no_named_key(id: &EncryptionKeyId) -> KeyError {
    KeyError::new(KeyErrorKind::KeyNotFound, format!("named key {:?}", id.as_str()))
}

pub(crate) fn no_current_key() -> KeyError {
    KeyError::new(KeyErrorKind::KeyNotFound, "the keyring has no current named key yet")
}

pub(crate) fn no_tenant(tenant: &TenantId) -> KeyError {
    let context = format!("tenant {:?} has no KEK", tenant.as_str());
    KeyError::new(KeyErrorKind::KeyNotFound, context)
}

pub(crate) fn shredded(tenant: &TenantId) -> KeyError {
    let context = format!("the keys of tenant {:?} were shredded", tenant.as_str());
    KeyError::new(KeyErrorKind::KeyNotFound, context)
}

pub(crate) fn creation_denied(tenant: &TenantId) -> KeyError {
    let context = format!("tenant {:?} has no KEK and automatic creation is off", tenant.as_str());
    KeyError::new(KeyErrorKind::Denied, context)
}

pub(crate) fn no_version(tenant: &TenantId, version: u32) -> KeyError {
    let context = format!("version {version} of tenant {:?}", tenant.as_str());
    KeyError::new(KeyErrorKind::WrongKeyVersion, context)
}

pub(crate) fn context_mismatch(tenant: &TenantId, version: u32) -> KeyError {
    let context = format!("version {version} of tenant {:?}", tenant.as_str());
    KeyError::new(KeyErrorKind::ContextMismatch, context)
}

/// The cipher refused correct input, which it does only when it cannot get memory.
pub(crate) fn cipher_failed(operation: &str) -> KeyError {
    KeyError::new(KeyErrorKind::Unavailable, format!("the cipher failed: {operation}"))
}

/// What is wrong with the bytes of a keyring file, wherever it is.
#[cfg(unix)]
pub(crate) struct Flaw {
    kind: KeyErrorKind,
    reason: String,
}

#[cfg(unix)]
impl Flaw {
    pub(crate) fn malformed(reason: impl Into<String>) -> Self {
        Self { kind: KeyErrorKind::Malformed, reason: reason.into() }
    }

    pub(crate) fn denied(reason: impl Into<String>) -> Self {
        Self { kind: KeyErrorKind::Denied, reason: reason.into() }
    }

    pub(crate) fn unavailable(reason: impl Into<String>) -> Self {
        Self { kind: KeyErrorKind::Unavailable, reason: reason.into() }
    }

    /// The error of the file at this path.
    pub(crate) fn at(self, path: &Path) -> KeyError {
        KeyError::new(self.kind, format!("keyring {}: {}", path.display(), self.reason))
    }
}

/// What the operating system said of a file.
#[cfg(unix)]
pub(crate) fn io_error(operation: &str, path: &Path, error: io::Error) -> KeyError {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => KeyErrorKind::Denied,
        _ => KeyErrorKind::Unavailable,
    };
    KeyError::new(kind, format!("{operation} {}", path.display())).with_source(error)
}
