//! The binary form of a wrapped DEK: `key_version u32 BE ‖ CiphertextBlob`.

use sealmq_crypto_core::{KeyError, KeyErrorKind};

/// The longest wrapped form. KMS does not say how long its ciphertext of 32 bytes is; it has less
/// than 200.
pub(crate) const MAX_WRAPPED_LEN: usize = 1024;

const VERSION_LEN: usize = 4;

/// The wrapped form of a ciphertext that the key of this version made.
pub(crate) fn join(version: u32, ciphertext: &[u8]) -> Result<Vec<u8>, KeyError> {
    let wrapped = [&version.to_be_bytes(), ciphertext].concat();
    split(&wrapped)?;
    Ok(wrapped)
}

/// Version and ciphertext of a wrapped form.
pub(crate) fn split(wrapped: &[u8]) -> Result<(u32, &[u8]), KeyError> {
    match wrapped.split_first_chunk() {
        Some((version, ciphertext))
            if !ciphertext.is_empty() && wrapped.len() <= MAX_WRAPPED_LEN =>
        {
            Ok((u32::from_be_bytes(*version), ciphertext))
        }
        _ => {
            let least = VERSION_LEN + 1;
            let reason = format!(
                "a wrapped DEK of KMS has {least} to {MAX_WRAPPED_LEN} bytes, not {}",
                wrapped.len()
            );
            Err(KeyError::new(KeyErrorKind::Malformed, reason))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_first() {
        let wrapped = join(7, b"ciphertext").unwrap();
        assert_eq!(wrapped, b"\0\0\0\x07ciphertext");
        assert_eq!(split(&wrapped).unwrap(), (7, &b"ciphertext"[..]));
    }

    #[test]
    fn only_forms_within_the_bounds_are_taken() {
        for len in [0, 1, 3, 4, MAX_WRAPPED_LEN + 1, 1 << 20] {
            let error = split(&vec![0; len]).unwrap_err();
            assert_eq!(error.kind(), &KeyErrorKind::Malformed, "{len}");
        }
        for len in [5, MAX_WRAPPED_LEN] {
            assert!(split(&vec![0; len]).is_ok(), "{len}");
        }
        assert!(join(1, &[0; MAX_WRAPPED_LEN]).is_err());
    }
}
