//! The wrap of a DEK by a KEK inside the token, and its binary form.

use cryptoki::error::Error;
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;
use cryptoki::types::Ulong;
use sealmq_crypto_core::{EncryptionKey, KeyError, WrapContext, random_bytes};
use zeroize::Zeroizing;

use crate::config::NonceSource;
use crate::error::{Failure, context_mismatch, malformed, says_not_authentic, says_too_little};
use crate::keks::Kek;

const VERSION_LEN: usize = 4;
const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;

/// Length of a wrapped DEK: `key_version u32 BE ‖ nonce 12 ‖ ciphertext 32 ‖ tag 16`.
pub(crate) const WRAPPED_LEN: usize = VERSION_LEN + NONCE_LEN + EncryptionKey::LEN + TAG_LEN;

/// Tells this wrap from every other use of a key: a KEK over a DEK, by this crate, in this form.
const LEVEL: &[u8] = b"sealmq-keys-pkcs11/kek-wraps-dek/aes-256-gcm/v1";

/// Tells a probe from a wrap.
const PROBE: &[u8] = b"sealmq-keys-pkcs11/probe/v1";

/// A wrapped DEK of the right length.
pub(crate) struct WrappedForm {
    pub(crate) version: u32,
    nonce: [u8; NONCE_LEN],
    ciphertext_and_tag: [u8; EncryptionKey::LEN + TAG_LEN],
}

impl WrappedForm {
    pub(crate) fn parse(wrapped: &[u8]) -> Result<Self, KeyError> {
        let wrong_length = || {
            let found = wrapped.len();
            malformed(format!("a wrapped DEK has {WRAPPED_LEN} bytes, not {found}"))
        };
        let (version, rest) = wrapped.split_first_chunk().ok_or_else(wrong_length)?;
        let (nonce, rest) = rest.split_first_chunk().ok_or_else(wrong_length)?;
        let ciphertext_and_tag = rest.try_into().map_err(|_| wrong_length())?;
        Ok(Self { version: u32::from_be_bytes(*version), nonce: *nonce, ciphertext_and_tag })
    }

    fn to_bytes(&self) -> Vec<u8> {
        [&self.version.to_be_bytes()[..], &self.nonce, &self.ciphertext_and_tag].concat()
    }
}

/// Wraps a DEK. The nonce of the form is the one that the token used, whoever chose it.
pub(crate) fn wrap(
    session: &Session,
    kek: &Kek,
    dek: &EncryptionKey,
    context: &WrapContext,
    source: NonceSource,
) -> Result<Vec<u8>, Failure> {
    let associated_data = associated_data(kek.version, context);
    let (nonce, output) =
        encrypt(session, kek.handle, dek.expose_secret(), &associated_data, source)?;
    let ciphertext_and_tag = output
        .as_slice()
        .try_into()
        .map_err(|_| malformed(format!("the token makes {} bytes of a DEK of 32", output.len())))?;
    Ok(WrappedForm { version: kek.version, nonce, ciphertext_and_tag }.to_bytes())
}

/// Unwraps a DEK, if this KEK wrapped it for this context.
pub(crate) fn unwrap(
    session: &Session,
    kek: &Kek,
    form: &WrappedForm,
    context: &WrapContext,
    source: NonceSource,
) -> Result<EncryptionKey, Failure> {
    let associated_data = associated_data(form.version, context);
    let decrypted =
        decrypt(session, kek.handle, form.nonce, &form.ciphertext_and_tag, &associated_data);
    match decrypted {
        Ok(dek) => {
            Ok(EncryptionKey::from_slice(&dek).map_err(|_| malformed("a DEK has 32 bytes"))?)
        }
        Err(error) if is_mismatch(session, kek, &error, source) => {
            Err(context_mismatch(context.tenant(), form.version).into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether an error of decryption is about the form. Some tokens say no more than "general error";
/// whether that is the form or the token, a probe shows: a message must not be given up as forged
/// because an HSM has a bad moment.
fn is_mismatch(session: &Session, kek: &Kek, error: &Error, source: NonceSource) -> bool {
    says_not_authentic(error) || (says_too_little(error) && works(session, kek, source))
}

/// Whether this KEK encrypts and decrypts now.
fn works(session: &Session, kek: &Kek, source: NonceSource) -> bool {
    let probe = [0; EncryptionKey::LEN];
    let Ok((nonce, output)) = encrypt(session, kek.handle, &probe, PROBE, source) else {
        return false;
    };
    let decrypted = decrypt(session, kek.handle, nonce, &output, PROBE);
    decrypted.is_ok_and(|bytes| bytes.as_slice() == probe)
}

fn encrypt(
    session: &Session,
    key: ObjectHandle,
    plaintext: &[u8; EncryptionKey::LEN],
    associated_data: &[u8],
    source: NonceSource,
) -> Result<([u8; NONCE_LEN], Vec<u8>), Failure> {
    let mut nonce = match source {
        NonceSource::Host => random_bytes()?,
        NonceSource::Token => [0; NONCE_LEN],
    };
    let parameters = GcmParams::new(&mut nonce, associated_data, tag_bits())?;
    let output = session.encrypt(&Mechanism::AesGcm(parameters), key, plaintext)?;
    if nonce == [0; NONCE_LEN] {
        return Err(malformed("the token reports no nonce of its own").into());
    }
    Ok((nonce, output))
}

fn decrypt(
    session: &Session,
    key: ObjectHandle,
    mut nonce: [u8; NONCE_LEN],
    ciphertext_and_tag: &[u8],
    associated_data: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let parameters = GcmParams::new(&mut nonce, associated_data, tag_bits())?;
    session.decrypt(&Mechanism::AesGcm(parameters), key, ciphertext_and_tag).map(Zeroizing::new)
}

fn tag_bits() -> Ulong {
    const TAG_BITS: u8 = 8 * TAG_LEN as u8;
    Ulong::new(TAG_BITS.into())
}

/// `level ‖ version u32 BE ‖ context`: level and version have fixed lengths, so no two inputs give
/// the same bytes.
fn associated_data(version: u32, context: &WrapContext) -> Vec<u8> {
    [LEVEL, &version.to_be_bytes(), &context.associated_data()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_its_length_and_its_parts() {
        let bytes: Vec<u8> = (0..64).collect();
        let form = WrappedForm::parse(&bytes).unwrap();
        assert_eq!(form.version, 0x0001_0203);
        assert_eq!(form.nonce, bytes[4..16]);
        assert_eq!(form.ciphertext_and_tag, bytes[16..]);
        assert_eq!(form.to_bytes(), bytes);
        for len in [0, 3, 4, 15, 16, 63, 65] {
            assert!(WrappedForm::parse(&vec![0; len]).is_err(), "{len}");
        }
    }
}
