//! SHA-256 and HKDF of RustCrypto, random bytes straight from the kernel.

use hkdf::Hkdf;
use sha2::Digest;
use zeroize::Zeroizing;

use crate::error::CryptoError;

/// A hash that takes its input in parts.
pub(crate) struct Sha256(sha2::Sha256);

impl Sha256 {
    pub(crate) fn new_with_prefix(prefix: &[u8]) -> Self {
        Self(sha2::Sha256::new_with_prefix(prefix))
    }

    pub(crate) fn update(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    pub(crate) fn finalize(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// HKDF-Expand with SHA-256 under one key, whose HMAC states are computed once: as secret as the
/// key. Zeroized on drop, and on the heap, so that moving the value leaves no copy of them.
pub(crate) struct Expander(Box<Hkdf<sha2::Sha256>>);

impl Expander {
    pub(crate) fn new(prk: &[u8; 32]) -> Self {
        // `from_prk` refuses only keys shorter than the hash.
        Self(Box::new(Hkdf::from_prk(prk).unwrap_or_else(|_| unreachable!())))
    }

    pub(crate) fn expand(&self, info: &[&[u8]; 2]) -> Zeroizing<[u8; 64]> {
        let mut okm = Zeroizing::new([0; 64]);
        // Expanding fails only beyond 255 hash lengths; 64 bytes are two.
        let expanded = self.0.expand_multi_info(info, okm.as_mut());
        debug_assert!(expanded.is_ok());
        okm
    }
}

/// The kernel is asked anew each time: a buffer of random bytes in this process would be handed
/// out twice after a fork.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), CryptoError> {
    getrandom::fill(bytes).map_err(|error| CryptoError::unavailable(error.to_string()))
}
