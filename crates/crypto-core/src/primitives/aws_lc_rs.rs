//! SHA-256, HKDF and random bytes of AWS-LC: all inside of its FIPS module.

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk};
use aws_lc_rs::{digest, rand};
use zeroize::Zeroizing;

use crate::error::CryptoError;

/// A hash that takes its input in parts.
pub(crate) struct Sha256(digest::Context);

impl Sha256 {
    pub(crate) fn new_with_prefix(prefix: &[u8]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(prefix);
        Self(context)
    }

    pub(crate) fn update(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    pub(crate) fn finalize(self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(self.0.finish().as_ref());
        hash
    }
}

/// HKDF-Expand with SHA-256 under one key, which is kept as it is: the module takes no states that
/// were computed before. Zeroized on drop, and on the heap, so that moving the value leaves no
/// copy of it.
pub(crate) struct Expander(Box<Zeroizing<[u8; 32]>>);

/// The length of what is expanded.
struct Okm64;

impl KeyType for Okm64 {
    fn len(&self) -> usize {
        64
    }
}

impl Expander {
    pub(crate) fn new(prk: &[u8; 32]) -> Self {
        let mut kept = Box::new(Zeroizing::new([0; 32]));
        kept.copy_from_slice(prk);
        Self(kept)
    }

    pub(crate) fn expand(&self, info: &[&[u8]; 2]) -> Zeroizing<[u8; 64]> {
        let mut okm = Zeroizing::new([0; 64]);
        let prk = Prk::new_less_safe(HKDF_SHA256, self.0.as_slice());
        // Expanding fails only beyond 255 hash lengths; 64 bytes are two.
        let expanded = prk.expand(info, Okm64).and_then(|okm64| okm64.fill(okm.as_mut()));
        debug_assert!(expanded.is_ok());
        okm
    }
}

/// The module's own generator, which survives a fork: it is seeded anew in the child.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), CryptoError> {
    rand::fill(bytes).map_err(|_| CryptoError::unavailable("the random generator of AWS-LC failed"))
}
