//! The errors of key sources in the names of the file.

use sealmq_crypto_core::{KeyError, KeyErrorKind};
use sealmq_settings::InvalidSetting;

use crate::error::ConfigError;
use crate::section::Resolved;

/// What a key adapter says of a setting.
pub(crate) fn invalid(error: KeyError) -> InvalidSetting {
    match error.kind() {
        KeyErrorKind::InvalidInput { field } => crate::section::invalid(field, &error),
        _ => InvalidSetting::new("kind", error.to_string()),
    }
}

/// The adapter's error in the names of the file.
pub(crate) fn refused(table: &Resolved<'_>, error: KeyError) -> ConfigError {
    match error.kind() {
        KeyErrorKind::InvalidInput { field } => table.refused_by(field, &error),
        _ => table.section.error("cannot connect").because(error),
    }
}
