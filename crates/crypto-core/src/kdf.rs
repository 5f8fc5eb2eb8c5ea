//! From a key and a context to one message's AEAD key and commitment (HKDF-SHA256, RFC 5869).

use zeroize::Zeroizing;

use crate::context::EncryptionContext;
use crate::format::FIXED_LEN;
use crate::primitives::{Expander, Sha256};
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
    hasher.finalize()
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

/// A key ready to derive: as secret as the key. Zeroized on drop.
pub(crate) struct KeyDerivation(Expander);

impl KeyDerivation {
    pub(crate) fn new(key: &EncryptionKey) -> Self {
        // The PRK is the key itself: 32 uniform bytes need no extract step (RFC 5869, 3.3).
        Self(Expander::new(key.expose_secret()))
    }

    pub(crate) fn derive(
        &self,
        fixed: &[u8; FIXED_LEN],
        context: &EncryptionContext,
    ) -> MessageSecrets {
        let context_hash = context_hash(fixed, context);
        MessageSecrets(self.0.expand(&[b"QRE1/message", &context_hash]))
    }
}
