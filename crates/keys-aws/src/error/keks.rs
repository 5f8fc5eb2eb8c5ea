//! What is wrong with a tenant's KEKs, as this adapter finds it out.

use sealmq_crypto_core::{KeyError, KeyErrorKind, TenantId};

pub(crate) fn no_tenant(tenant: &TenantId) -> KeyError {
    let context = format!("tenant {:?} has no key in KMS", tenant.as_str());
    KeyError::new(KeyErrorKind::KeyNotFound, context)
}

pub(crate) fn shredded(tenant: &TenantId) -> KeyError {
    let context = format!("the keys of tenant {:?} are being deleted", tenant.as_str());
    KeyError::new(KeyErrorKind::KeyNotFound, context)
}

pub(crate) fn no_version(tenant: &TenantId, version: u32) -> KeyError {
    let context = format!("version {version} of tenant {:?}", tenant.as_str());
    KeyError::new(KeyErrorKind::WrongKeyVersion, context)
}

/// A call that this configuration does not allow; no I/O was done.
pub(crate) fn refused(reason: impl Into<String>) -> KeyError {
    KeyError::new(KeyErrorKind::Denied, reason)
}
