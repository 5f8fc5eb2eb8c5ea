//! One key wrapped by another: AES-256-GCM, and what each wrap is bound to.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sealmq_crypto_core::{EncryptionKey, KeyError, random_bytes};
use zeroize::Zeroizing;

use crate::error::{cipher_failed, malformed};

/// Length of a wrapped key: `nonce 12 ‖ ciphertext 32 ‖ tag 16`.
pub(crate) const BOX_LEN: usize = NONCE_LEN + EncryptionKey::LEN + TAG_LEN;
/// Length of a wrapped DEK: `key_version u32 BE ‖ nonce 12 ‖ ciphertext 32 ‖ tag 16`.
pub(crate) const WRAPPED_LEN: usize = VERSION_LEN + BOX_LEN;

const VERSION_LEN: usize = 4;
const TAG_LEN: usize = 16;

/// The algorithm of every KEK, as the rows name it.
pub(crate) const KEY_ALGORITHM: &str = "AES-256-GCM";

/// The wrap did not open: another key, another place, or changed bytes.
pub(crate) struct DoesNotOpen;

/// Wraps a key, bound to this place.
pub(crate) fn seal(
    by: &EncryptionKey,
    place: &[u8],
    key: &EncryptionKey,
) -> Result<[u8; BOX_LEN], KeyError> {
    let nonce = random_bytes::<NONCE_LEN>()?;
    let mut in_out = Zeroizing::new(*key.expose_secret());
    let tag = cipher(by)?
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(place),
            in_out.as_mut_slice(),
        )
        .map_err(|_| cipher_failed("wrapping a key"))?;
    let mut sealed = [0; BOX_LEN];
    sealed[..NONCE_LEN].copy_from_slice(&nonce);
    sealed[NONCE_LEN..BOX_LEN - TAG_LEN].copy_from_slice(in_out.as_slice());
    sealed[BOX_LEN - TAG_LEN..].copy_from_slice(tag.as_ref());
    Ok(sealed)
}

/// Unwraps a key that was bound to this place.
pub(crate) fn open(
    by: &EncryptionKey,
    place: &[u8],
    sealed: &[u8; BOX_LEN],
) -> Result<Result<EncryptionKey, DoesNotOpen>, KeyError> {
    let (nonce, rest) = sealed.split_at(NONCE_LEN);
    let nonce =
        Nonce::try_assume_unique_for_key(nonce).map_err(|_| malformed("a nonce has 12 bytes"))?;
    let mut in_out = Zeroizing::new([0; EncryptionKey::LEN + TAG_LEN]);
    in_out.copy_from_slice(rest);
    let Ok(key) = cipher(by)?.open_in_place(nonce, Aad::from(place), in_out.as_mut_slice()) else {
        return Ok(Err(DoesNotOpen));
    };
    EncryptionKey::from_slice(key).map(Ok).map_err(|_| malformed("a key has 32 bytes"))
}

fn cipher(key: &EncryptionKey) -> Result<LessSafeKey, KeyError> {
    UnboundKey::new(&AES_256_GCM, key.expose_secret())
        .map(LessSafeKey::new)
        .map_err(|_| cipher_failed("preparing a key"))
}

/// Fields as one unambiguous byte string: each as `len u32 BE ‖ bytes`.
pub(crate) fn bound_to(fields: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(fields.iter().map(|field| field.len() + 4).sum());
    for field in fields {
        bytes.extend_from_slice(&(field.len() as u32).to_be_bytes());
        bytes.extend_from_slice(field);
    }
    bytes
}

/// A wrapped DEK of the right length.
pub(crate) struct WrappedForm {
    pub(crate) version: u32,
    sealed: [u8; BOX_LEN],
}

impl WrappedForm {
    pub(crate) fn parse(wrapped: &[u8]) -> Result<Self, KeyError> {
        let wrong_length = || {
            let found = wrapped.len();
            malformed(format!("a wrapped DEK has {WRAPPED_LEN} bytes, not {found}"))
        };
        let (version, sealed) = wrapped.split_first_chunk().ok_or_else(wrong_length)?;
        let sealed = sealed.try_into().map_err(|_| wrong_length())?;
        Ok(Self { version: u32::from_be_bytes(*version), sealed })
    }
}

/// What a wrap of a DEK is for: two uses never open one another's forms.
#[derive(Clone, Copy)]
pub(crate) enum Use {
    /// The DEK travels with messages.
    Message,
    /// The DEK is a row of `kms_deks`.
    Stored,
}

/// One version of a tenant's KEK.
///
/// Nonces are random: a version stays far below the 2^32 wraps that allows, because a DEK serves
/// for up to an hour.
pub(crate) struct Kek {
    pub(crate) version: u32,
    pub(crate) key: EncryptionKey,
}

impl Kek {
    pub(crate) fn wrap(
        &self,
        purpose: Use,
        dek: &EncryptionKey,
        context: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        let sealed = seal(&self.key, &self.place(purpose, context), dek)?;
        Ok([&self.version.to_be_bytes()[..], &sealed].concat())
    }

    pub(crate) fn unwrap(
        &self,
        purpose: Use,
        form: &WrappedForm,
        context: &[u8],
    ) -> Result<Result<EncryptionKey, DoesNotOpen>, KeyError> {
        open(&self.key, &self.place(purpose, context), &form.sealed)
    }

    fn place(&self, purpose: Use, context: &[u8]) -> Vec<u8> {
        let level: &[u8] = match purpose {
            Use::Message => b"sealmq-keys-postgres/kek-wraps-dek/v1",
            Use::Stored => b"sealmq-keys-postgres/kek-wraps-stored-dek/v1",
        };
        let version = self.version.to_be_bytes();
        bound_to(&[level, KEY_ALGORITHM.as_bytes(), &version, context])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealmq_crypto_core::random_key;

    fn kek(version: u32) -> Kek {
        Kek { version, key: EncryptionKey::from_slice(&[7; 32]).unwrap() }
    }

    fn opens(kek: &Kek, purpose: Use, wrapped: &[u8], context: &[u8]) -> bool {
        let form = WrappedForm::parse(wrapped).unwrap();
        kek.unwrap(purpose, &form, context).unwrap().is_ok()
    }

    #[test]
    fn a_wrap_opens_only_in_its_place() {
        let dek = random_key().unwrap();
        let wrapped = kek(1).wrap(Use::Message, &dek, b"orders").unwrap();
        assert_eq!(wrapped.len(), 64);
        assert!(opens(&kek(1), Use::Message, &wrapped, b"orders"));
        assert!(!opens(&kek(1), Use::Message, &wrapped, b"order"));
        assert!(!opens(&kek(1), Use::Stored, &wrapped, b"orders"));
        // The same key under another version: what a copied row would make of it.
        assert!(!opens(&kek(2), Use::Message, &wrapped, b"orders"));
    }

    #[test]
    fn fields_cannot_borrow_from_one_another() {
        assert_ne!(bound_to(&[b"ab", b"c"]), bound_to(&[b"a", b"bc"]));
        assert_ne!(bound_to(&[b"ab"]), bound_to(&[b"ab", b""]));
    }

    /// What the binding is there for: without it, a wrap opens wherever it is copied to.
    #[test]
    fn without_a_place_a_wrap_opens_anywhere() {
        let (by, key) = (random_key().unwrap(), random_key().unwrap());
        let copied = seal(&by, b"", &key).unwrap();
        assert!(open(&by, b"", &copied).unwrap().is_ok());
    }

    /// The form is for ever.
    #[test]
    fn a_form_of_another_implementation_opens() {
        let wrapped = hex::decode(GOLDEN).unwrap();
        let form = WrappedForm::parse(&wrapped).unwrap();
        let dek = kek(3).unwrap(Use::Message, &form, b"golden").unwrap();
        assert_eq!(dek.ok().unwrap().expose_secret(), &[9; 32]);
    }

    /// Made by another implementation, nonce 00 to 0b.
    const GOLDEN: &str = "00000003000102030405060708090a0b1188e0791400d0407ebbec95eb5165f3\
                          e835bf87116b7e381fc76ab387de640c09fac2dfe5031746dd5bce2da9089cd1";
}
