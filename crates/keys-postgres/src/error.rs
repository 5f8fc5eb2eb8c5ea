//! The errors of this crate, each made in one place; what the server says goes through one table.

use std::error::Error;
use std::fmt;

use sealmq_crypto_core::{KeyError, KeyErrorKind, TenantId};
use sealmq_tls::{Refusal, causes};
use tokio_postgres::error::DbError;

use KeyErrorKind as K;

/// What a failure of the server means, by SQLSTATE or its class. The first entry that is a prefix
/// counts; whatever is not listed says nothing about keys or rights and may pass: `Unavailable`.
pub(crate) const BY_SQLSTATE: &[(&str, KeyErrorKind)] = &[
    ("0A", K::Unavailable), // feature not supported: a server older than this crate needs
    ("08", K::Unavailable), // connection
    ("22", K::Malformed),   // data
    ("23505", K::Unavailable), // unique: a transaction at the same time was first
    ("23", K::Malformed),   // other constraints: the row cannot be one of this crate
    ("25", K::Unavailable), // transaction state: read-only after a fail-over, or failed before
    ("28", K::Denied),      // authentication
    ("3D", K::Denied),      // no such database
    ("3F", K::Unavailable), // no such schema: not migrated yet
    ("40", K::Unavailable), // serialization, deadlock
    ("42501", K::Denied),   // no privilege
    ("42", K::Unavailable), // no such table or column: not migrated yet
    ("53300", K::Throttled { retry_after: None }), // too many connections
    ("53", K::Unavailable), // out of disk, of memory
    ("55", K::Unavailable), // locked by somebody else
    ("57", K::Unavailable), // cancelled, statement timeout, shutting down
    ("58", K::Unavailable), // I/O of the server
    ("XX", K::Unavailable), // a defect of the server
];

/// What this SQLSTATE means.
pub(crate) fn kind_of(sqlstate: &str) -> KeyErrorKind {
    let entry = BY_SQLSTATE.iter().find(|(prefix, _)| sqlstate.starts_with(prefix));
    entry.map_or(K::Unavailable, |(_, kind)| kind.clone())
}

/// What the server said, without the values of rows, which its details and data errors quote.
#[derive(Debug)]
struct SqlFailure {
    sqlstate: String,
    message: Option<String>,
}

impl SqlFailure {
    fn new(error: &DbError) -> Self {
        let sqlstate = error.code().code().to_owned();
        let quotes_values = ["22", "23", "P0"].iter().any(|class| sqlstate.starts_with(class));
        let message = (!quotes_values).then(|| error.message().to_owned());
        Self { sqlstate, message }
    }
}

impl fmt::Display for SqlFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SQLSTATE {}", self.sqlstate)?;
        self.message.as_ref().map_or(Ok(()), |message| write!(f, ": {message}"))
    }
}

impl Error for SqlFailure {}

/// A statement failed, or the connection did.
pub(crate) fn sql(operation: &'static str, error: tokio_postgres::Error) -> KeyError {
    if let Some(failure) = error.as_db_error().map(SqlFailure::new) {
        let hint = match failure.sqlstate.as_str() {
            "3F000" | "42P01" | "42703" => ": the schema is not migrated",
            _ => "",
        };
        let kind = kind_of(&failure.sqlstate);
        return KeyError::new(kind, format!("{operation}{hint}")).with_source(failure);
    }
    let said = error.to_string();
    let is_about_types = ["error serializing", "error deserializing", "invalid column"];
    if let Some(why) = distrust(&error) {
        return KeyError::new(K::Unavailable, format!("{operation}: {why}")).with_source(error);
    }
    let kind = if is_about_types.iter().any(|text| said.starts_with(text)) {
        K::Malformed // a column is of another type: these are not this crate's tables
    } else {
        K::Unavailable
    };
    KeyError::new(kind, operation).with_source(error)
}

/// The SQLSTATE of a failure that the server told of.
fn sqlstate_of(error: &KeyError) -> Option<&str> {
    let failure = error.source()?.downcast_ref::<SqlFailure>()?;
    Some(&failure.sqlstate)
}

/// Whether the server does not let this user in.
pub(crate) fn is_login_refused(error: &KeyError) -> bool {
    sqlstate_of(error).is_some_and(|state| state.starts_with("28"))
}

/// Whether the user lacks a right.
pub(crate) fn is_right_missing(error: &KeyError) -> bool {
    sqlstate_of(error) == Some("42501")
}

/// Why there is no TLS: the server does not speak it, or one of the sides does not accept the
/// certificate of the other.
fn distrust(error: &tokio_postgres::Error) -> Option<String> {
    const NO_TLS: &str = "server does not support TLS";
    let refused = || Refusal::of(error).map(|refusal| refusal.to_string());
    let without = || causes(error).any(|cause| cause.to_string() == NO_TLS);
    let broken = || causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>());
    refused()
        .or_else(|| without().then(|| NO_TLS.to_owned()))
        .or_else(|| broken().map(|_| "TLS failed".to_owned()))
}

/// Whether the same statement may pass when it is sent again at once.
pub(crate) fn is_serialization_failure(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|state| matches!(state.code(), "40001" | "40P01"))
}

pub(crate) fn timed_out(operation: &'static str) -> KeyError {
    KeyError::new(K::Unavailable, format!("{operation}: no answer in time"))
}

pub(crate) fn malformed(reason: impl Into<String>) -> KeyError {
    KeyError::new(K::Malformed, reason)
}

pub(crate) fn no_tenant(tenant: &TenantId) -> KeyError {
    KeyError::new(K::KeyNotFound, format!("tenant {:?} has no KEK", tenant.as_str()))
}

pub(crate) fn shredded(tenant: &TenantId) -> KeyError {
    let context = format!("the keys of tenant {:?} were shredded", tenant.as_str());
    KeyError::new(K::KeyNotFound, context)
}

pub(crate) fn destroyed(tenant: &TenantId, version: u32) -> KeyError {
    let context = format!("version {version} of tenant {:?} was destroyed", tenant.as_str());
    KeyError::new(K::KeyNotFound, context)
}

pub(crate) fn no_version(tenant: &TenantId, version: u32) -> KeyError {
    let context = format!("version {version} of tenant {:?}", tenant.as_str());
    KeyError::new(K::WrongKeyVersion, context)
}

pub(crate) fn disabled(tenant: &TenantId, what: &str) -> KeyError {
    KeyError::new(K::Disabled, format!("{what} of tenant {:?}", tenant.as_str()))
}

pub(crate) fn creation_denied(tenant: &TenantId) -> KeyError {
    let context = format!("tenant {:?} has no KEK and automatic creation is off", tenant.as_str());
    KeyError::new(K::Denied, context)
}

pub(crate) fn context_mismatch(tenant: &TenantId, version: u32) -> KeyError {
    let context = format!("version {version} of tenant {:?}", tenant.as_str());
    KeyError::new(K::ContextMismatch, context)
}

/// A stored KEK cannot be used. `Denied`, because the fault lies with the row or the master key and
/// says nothing about the message whose DEK was to be unwrapped: that must not be dead-lettered.
pub(crate) fn unusable_row(what: &str, reason: &str) -> KeyError {
    KeyError::new(K::Denied, format!("{what}: {reason}"))
}

/// The cipher refused correct input, which it does only when it cannot get memory.
pub(crate) fn cipher_failed(operation: &str) -> KeyError {
    KeyError::new(K::Unavailable, format!("the cipher failed: {operation}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sqlstate_has_its_kind() {
        let throttled = K::Throttled { retry_after: None };
        let table = [
            ("08006", K::Unavailable), // connection failure
            ("0A000", K::Unavailable), // feature not supported
            ("22P02", K::Malformed),   // invalid text representation
            ("23505", K::Unavailable), // unique violation
            ("23514", K::Malformed),   // check violation
            ("25006", K::Unavailable), // read-only transaction
            ("25P02", K::Unavailable), // in failed transaction
            ("28000", K::Denied),      // invalid authorization
            ("28P01", K::Denied),      // wrong password
            ("3D000", K::Denied),      // no such database
            ("3F000", K::Unavailable), // no such schema
            ("40001", K::Unavailable), // serialization failure
            ("40P01", K::Unavailable), // deadlock
            ("42501", K::Denied),      // insufficient privilege
            ("42P01", K::Unavailable), // no such table
            ("53100", K::Unavailable), // disk full
            ("53300", throttled),      // too many connections
            ("55P03", K::Unavailable), // lock not available
            ("57014", K::Unavailable), // query cancelled
            ("57P01", K::Unavailable), // admin shutdown
            ("57P03", K::Unavailable), // cannot connect now
            ("58030", K::Unavailable), // I/O error
            ("XX000", K::Unavailable), // internal error
            ("ZZ999", K::Unavailable), // not listed
        ];
        for (sqlstate, kind) in &table {
            assert_eq!(kind_of(sqlstate), *kind, "{sqlstate}");
        }
        for (prefix, _) in BY_SQLSTATE {
            assert!(table.iter().any(|(state, _)| state.starts_with(prefix)), "{prefix} is tested");
        }
    }
}
