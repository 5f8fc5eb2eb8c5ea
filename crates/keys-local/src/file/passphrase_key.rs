//! The key that a passphrase gives, and what it seals.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use sealmq_crypto_core::{EncryptionKey, KeyError, random_bytes};
use zeroize::Zeroizing;

use crate::error::{Flaw, cipher_failed};
use crate::{Passphrase, PassphraseCost};

pub(super) const SALT_LEN: usize = 16;

const LABEL: &[u8] = b"sealmq-keyring/v1/argon2id/aes-256-gcm";

/// The key, with what it was derived by. Kept while the keyring is open, so that changes can be
/// saved without the passphrase.
pub(super) struct PassphraseKey {
    pub(super) cost: PassphraseCost,
    pub(super) salt: [u8; SALT_LEN],
    key: EncryptionKey,
}

/// Sealed bytes, with the tag at their end.
pub(super) struct Sealed {
    pub(super) nonce: [u8; NONCE_LEN],
    pub(super) ciphertext: Vec<u8>,
}

impl PassphraseKey {
    /// Takes time and memory: that is its purpose.
    pub(super) fn derive(
        passphrase: &Passphrase,
        cost: PassphraseCost,
        salt: [u8; SALT_LEN],
    ) -> Result<Self, Flaw> {
        let mut key = Zeroizing::new([0; EncryptionKey::LEN]);
        let argon2 = argon2(cost).map_err(|error| underivable(&error))?;
        let mut memory = Zeroizing::new(Vec::new());
        let blocks = argon2.params().block_count();
        memory.try_reserve_exact(blocks).map_err(|error| underivable(&error))?;
        memory.resize(blocks, Block::default());
        let passphrase = passphrase.expose_secret();
        argon2
            .hash_password_into_with_memory(passphrase, &salt, key.as_mut_slice(), &mut *memory)
            .map_err(|error| underivable(&error))?;
        let key = EncryptionKey::from_slice(key.as_slice()).map_err(|error| underivable(&error))?;
        Ok(Self { cost, salt, key })
    }

    pub(super) fn seal(&self, plaintext: &[u8]) -> Result<Sealed, KeyError> {
        let nonce = random_bytes::<NONCE_LEN>()?;
        let mut in_out = Zeroizing::new(plaintext.to_vec());
        let tag = self
            .cipher()
            .and_then(|cipher| {
                let nonce = Nonce::assume_unique_for_key(nonce);
                cipher.seal_in_place_separate_tag(nonce, self.associated_data(), &mut in_out)
            })
            .map_err(|_| cipher_failed("sealing the keyring"))?;
        Ok(Sealed { nonce, ciphertext: [in_out.as_slice(), tag.as_ref()].concat() })
    }

    /// Whether the passphrase was another one or a byte was changed, nobody can tell.
    pub(super) fn open(&self, sealed: Sealed) -> Result<Zeroizing<Vec<u8>>, Flaw> {
        let mut in_out = Zeroizing::new(sealed.ciphertext);
        let nonce = Nonce::assume_unique_for_key(sealed.nonce);
        let len = self
            .cipher()
            .and_then(|cipher| {
                let opened = cipher.open_in_place(nonce, self.associated_data(), &mut in_out);
                opened.map(|plaintext| plaintext.len())
            })
            .map_err(|_| Flaw::denied("wrong passphrase or damaged keyring"))?;
        in_out.truncate(len);
        Ok(in_out)
    }

    fn cipher(&self) -> Result<LessSafeKey, Unspecified> {
        UnboundKey::new(&AES_256_GCM, self.key.expose_secret()).map(LessSafeKey::new)
    }

    /// `label ‖ memory u32 ‖ iterations u32 ‖ parallelism u32 ‖ salt`: all of the file that is not
    /// sealed, but for the nonce.
    fn associated_data(&self) -> Aad<Vec<u8>> {
        let cost = [self.cost.memory_kib(), self.cost.iterations(), self.cost.parallelism()];
        let cost = cost.map(u32::to_be_bytes).concat();
        Aad::from([LABEL, &cost, &self.salt].concat())
    }
}

fn argon2(cost: PassphraseCost) -> Result<Argon2<'static>, argon2::Error> {
    let (memory, iterations, lanes) = (cost.memory_kib(), cost.iterations(), cost.parallelism());
    let params = Params::new(memory, iterations, lanes, Some(EncryptionKey::LEN))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// The costs are within their bounds, so this is for want of memory.
fn underivable(error: &dyn std::error::Error) -> Flaw {
    Flaw::unavailable(format!("no key could be derived from the passphrase: {error}"))
}
