//! Known-answer tests of what this build seals and opens with.

mod known;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use self::known::{AEADS, FRAMES, KnownAead, KnownFrame};
use crate::aead::AeadBackend;
use crate::context::{ContextScope, EncryptionContext};
use crate::error::CryptoError;
use crate::format::TAG_LEN;
use crate::keys::{EncryptionKeyId, KeyError};
use crate::message_key::MessageKey;
use crate::secret::EncryptionKey;
use crate::suite::Suite;

/// A back end that did not give the answer that is known.
///
/// It must not seal, nor be believed when it opens. There is no use in trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelfTestError {
    backend: AeadBackend,
    suite: Suite,
    failed: &'static str,
}

impl SelfTestError {
    /// The back end that failed.
    pub fn backend(&self) -> AeadBackend {
        self.backend
    }

    /// The suite it failed in.
    pub fn suite(&self) -> Suite {
        self.suite
    }
}

impl fmt::Display for SelfTestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { backend, suite, failed } = self;
        write!(f, "the self-test of {backend:?} failed in suite {suite:?}: {failed}")
    }
}

impl Error for SelfTestError {}

/// Lets every back end of this build compute what is known, in every suite: the AEAD, and the whole
/// frame with the derivation of its key; and shows it forgeries, which it must refuse.
///
/// It takes well under a millisecond, allocates little and does no I/O: for the start of a program,
/// and for its health checks.
///
/// # Errors
/// The first back end that gave a wrong answer.
pub fn self_test() -> Result<(), SelfTestError> {
    AeadBackend::AVAILABLE.iter().try_for_each(|&backend| test(backend, &backend))
}

/// What is tested; the tests of this file put a broken one in its place.
trait Computes {
    fn seal_known(&self, known: &KnownAead, in_out: &mut [u8]) -> Option<[u8; TAG_LEN]>;
    /// Opens ciphertext and tag in place.
    fn open_known(&self, known: &KnownAead, in_out: &mut [u8]) -> bool;
    fn seal_frame(&self, known: &KnownFrame) -> Result<Vec<u8>, CryptoError>;
    fn open_frame(&self, known: &KnownFrame, frame: &mut [u8]) -> Result<Vec<u8>, CryptoError>;
}

impl Computes for AeadBackend {
    fn seal_known(&self, known: &KnownAead, in_out: &mut [u8]) -> Option<[u8; TAG_LEN]> {
        let KnownAead { suite, key, nonce, associated_data, .. } = known;
        self.seal_with(*suite, *key, nonce, associated_data, in_out).ok()
    }

    fn open_known(&self, known: &KnownAead, in_out: &mut [u8]) -> bool {
        let KnownAead { suite, key, nonce, associated_data, .. } = known;
        self.open_with(*suite, *key, nonce, associated_data, in_out).is_ok()
    }

    fn seal_frame(&self, known: &KnownFrame) -> Result<Vec<u8>, CryptoError> {
        let (key, context) = (key_of(known)?, context()?);
        let KnownFrame { suite, nonce, plaintext, .. } = *known;
        key.seal_with_nonce(suite, *self, plaintext, &context, known::ENCRYPTED_AT_MS, nonce)
    }

    fn open_frame(&self, known: &KnownFrame, frame: &mut [u8]) -> Result<Vec<u8>, CryptoError> {
        key_of(known)?.open_in_place(*self, frame, &context()?).map(|plaintext| plaintext.to_vec())
    }
}

fn key_of(known: &KnownFrame) -> Result<MessageKey, CryptoError> {
    let invalid = |error: KeyError| CryptoError::invalid_input("key_id", error.to_string());
    let id = EncryptionKeyId::new(known::KEY_ID).map_err(invalid)?;
    MessageKey::named(&id, &EncryptionKey::from_slice(known.key)?)
}

fn context() -> Result<EncryptionContext, CryptoError> {
    let [environment, tenant, queue] = known::SCOPE;
    let scope = ContextScope::new(Some(environment), Some(tenant), queue)?;
    EncryptionContext::builder(&Arc::new(scope), known::MESSAGE_ID).build()
}

fn test(backend: AeadBackend, computes: &dyn Computes) -> Result<(), SelfTestError> {
    for known in &AEADS {
        aead(computes, known).map_err(|failed| SelfTestError {
            backend,
            suite: known.suite,
            failed,
        })?;
    }
    for known in &FRAMES {
        frame(computes, known).map_err(|failed| SelfTestError {
            backend,
            suite: known.suite,
            failed,
        })?;
    }
    Ok(())
}

fn aead(computes: &dyn Computes, known: &KnownAead) -> Result<(), &'static str> {
    let mut body = known.plaintext.to_vec();
    let tag = computes.seal_known(known, &mut body);
    if body != known.ciphertext || tag != Some(*known.tag) {
        return Err("the AEAD seals wrongly");
    }
    let mut sealed = [known.ciphertext, known.tag].concat();
    if !computes.open_known(known, &mut sealed) || !sealed.starts_with(known.plaintext) {
        return Err("the AEAD opens wrongly");
    }
    let mut forged = [known.ciphertext, known.tag].concat();
    flip_last(&mut forged);
    if computes.open_known(known, &mut forged) {
        return Err("the AEAD opens a forgery");
    }
    Ok(())
}

fn frame(computes: &dyn Computes, known: &KnownFrame) -> Result<(), &'static str> {
    if !computes.seal_frame(known).is_ok_and(|frame| frame == known.frame) {
        return Err("a frame is sealed wrongly");
    }
    let opened = computes.open_frame(known, &mut known.frame.to_vec());
    if !opened.is_ok_and(|plaintext| plaintext == known.plaintext) {
        return Err("a frame is opened wrongly");
    }
    let mut forged = known.frame.to_vec();
    flip_last(&mut forged);
    if computes.open_frame(known, &mut forged).is_ok() {
        return Err("a forged frame is opened");
    }
    Ok(())
}

fn flip_last(bytes: &mut [u8]) {
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
}

#[cfg(test)]
#[path = "../tests/self_test.rs"]
mod tests;
