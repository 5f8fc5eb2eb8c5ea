//! Paths of the API that hold names of the configuration.

use sealmq_crypto_core::KeyError;

/// Paths are built from names of the configuration: none of them may lead elsewhere.
pub(crate) fn check_path(field: &'static str, path: &str) -> Result<(), KeyError> {
    let fine = |segment: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
        !matches!(segment, "" | "." | "..") && segment.bytes().all(known)
    };
    if path.split('/').all(fine) {
        return Ok(());
    }
    let reason = "is not a path of letters, digits, `-`, `_`, `.` and `@`, without slashes around";
    Err(KeyError::invalid_input(field, reason))
}
