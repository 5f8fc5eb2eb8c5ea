//! What the vault wraps: a DEK, and the context that it is for.
//!
//! Key Vault takes no associated data with RSA-OAEP or A256KW, so the context goes inside:
//! `"QRE1" ‖ suite ‖ 3 zero bytes ‖ DEK 32 ‖ binding 32`, where the binding is a hash of context,
//! key version and salt.

use sealmq_crypto_core::{EncryptionKey, KeyError, WrapContext};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::{context_mismatch, malformed};
use crate::wrapped::Head;

/// Length of what the vault wraps.
pub(crate) const INNER_LEN: usize = HEADER.len() + EncryptionKey::LEN + BINDING_LEN;

/// The format, and suite 0x01: of the DEK's own derivation, which every suite with a wrapped DEK
/// shares.
const HEADER: &[u8; 8] = b"QRE1\x01\0\0\0";
const BINDING_LEN: usize = 32;
const LABEL: &[u8] = b"sealmq-keys-azure/binding/v1";

/// A DEK as it is wrapped under this head for this context.
pub(crate) fn bind(dek: &EncryptionKey, head: &Head, context: &WrapContext) -> Zeroizing<Vec<u8>> {
    let mut inner = Zeroizing::new(Vec::with_capacity(INNER_LEN));
    inner.extend_from_slice(HEADER);
    inner.extend_from_slice(dek.expose_secret());
    inner.extend_from_slice(&binding(head, context));
    inner
}

/// The DEK of what the vault unwrapped.
///
/// # Errors
/// `Malformed` when it is nothing that [`bind`] makes, `ContextMismatch` when it was made under
/// another head or for another context.
pub(crate) fn unbind(
    inner: &[u8],
    head: &Head,
    context: &WrapContext,
) -> Result<EncryptionKey, KeyError> {
    let refused = || malformed("what the vault unwrapped is no DEK with its context");
    if inner.len() != INNER_LEN {
        return Err(refused());
    }
    let rest = inner.strip_prefix(HEADER).ok_or_else(refused)?;
    let (dek, bound) = rest.split_at(EncryptionKey::LEN);
    // Both sides are hashes of public values: nothing is learned from how long this takes.
    if bound != binding(head, context).as_slice() {
        return Err(context_mismatch(context.tenant(), head.version));
    }
    EncryptionKey::from_slice(dek).map_err(|_| refused())
}

fn binding(head: &Head, context: &WrapContext) -> [u8; BINDING_LEN] {
    let mut hash = Sha256::new();
    hash.update(LABEL);
    hash.update(head.bytes()); // of one length always
    hash.update(context.associated_data());
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use sealmq_crypto_core::{KeyErrorKind, TenantId};

    use super::*;
    use crate::wrapped::Scheme;

    fn context(scope: &str) -> WrapContext {
        WrapContext::new(Some("test"), TenantId::new("acme").unwrap(), scope)
    }

    #[test]
    fn only_the_same_head_and_context_get_the_dek() {
        let head =
            Head { scheme: Scheme::Symmetric, version: 1, version_id: [1; 16], salt: [2; 16] };
        let dek = EncryptionKey::generate().unwrap();
        let inner = bind(&dek, &head, &context("orders"));
        assert_eq!(inner.len(), INNER_LEN);
        assert!(unbind(&inner, &head, &context("orders")).unwrap() == dek);
        let others = [
            (head, context("invoices")),
            (Head { version: 2, ..head }, context("orders")),
            (Head { version_id: [9; 16], ..head }, context("orders")),
            (Head { salt: [9; 16], ..head }, context("orders")),
            (Head { scheme: Scheme::BareRsa, ..head }, context("orders")),
        ];
        for (head, context) in others {
            let error = unbind(&inner, &head, &context).unwrap_err();
            assert_eq!(*error.kind(), KeyErrorKind::ContextMismatch);
        }
    }

    #[test]
    fn anything_else_is_malformed() {
        let head = Head { scheme: Scheme::BareRsa, version: 1, version_id: [1; 16], salt: [2; 16] };
        let inner = bind(&EncryptionKey::generate().unwrap(), &head, &context("orders"));
        let mut other_header = inner.to_vec();
        other_header[0] ^= 1;
        for refused in [&[][..], &inner[..40], &inner[1..], &other_header] {
            let error = unbind(refused, &head, &context("orders")).unwrap_err();
            assert_eq!(*error.kind(), KeyErrorKind::Malformed);
        }
    }
}
