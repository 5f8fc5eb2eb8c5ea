//! From a key and a context to one message's AEAD key and commitment (HKDF-SHA256, RFC 5869).

use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::context::EncryptionContext;
use crate::format::FIXED_LEN;
use crate::secret::EncryptionKey;

/// Length of the commitment in bytes.
pub(crate) const COMMITMENT_LEN: usize = 32;

/// What a body is bound to besides its key: the header and the context, as one hash.
pub(crate) fn context_hash(
    fixed: &[u8; FIXED_LEN],
    context: &EncryptionContext,
) -> [u8; COMMITMENT_LEN] {
    let mut hasher = Sha256::new_with_prefix(b"QRE1/context");
    hasher.update(fixed);
    for part in context.parts() {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// What is derived for one message: 32 bytes of AEAD key, then 32 bytes of commitment.
pub(crate) struct MessageSecrets(Zeroizing<[u8; 64]>);

impl MessageSecrets {
    pub(crate) fn aead_key(&self) -> &[u8] {
        &self.0[..32]
    }

    pub(crate) fn commitment(&self) -> &[u8] {
        &self.0[32..]
    }
}

/// A key with its HMAC states computed once: as secret as the key. Zeroized on drop, and on the
/// heap, so that moving the value leaves no copy of them.
pub(crate) struct KeyDerivation(Box<Hkdf<Sha256>>);

impl KeyDerivation {
    pub(crate) fn new(key: &EncryptionKey) -> Self {
        // The PRK is the key itself: 32 uniform bytes need no extract step (RFC 5869, 3.3).
        // `from_prk` refuses only keys shorter than the hash, which an EncryptionKey never is.
        let states = Hkdf::from_prk(key.expose_secret());
        Self(Box::new(states.unwrap_or_else(|_| unreachable!())))
    }

    pub(crate) fn derive(
        &self,
        fixed: &[u8; FIXED_LEN],
        context: &EncryptionContext,
    ) -> MessageSecrets {
        let context_hash = context_hash(fixed, context);
        let mut okm = Zeroizing::new([0; 64]);
        // Expanding fails only beyond 255 hash lengths; 64 bytes are two.
        let expanded = self.0.expand_multi_info(&[b"QRE1/message", &context_hash], okm.as_mut());
        debug_assert!(expanded.is_ok());
        MessageSecrets(okm)
    }
}
