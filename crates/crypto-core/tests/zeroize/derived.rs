//! What is derived from a key, computed a second time and masked, so that it can be looked for.

use hmac::{Hmac, KeyInit, Mac};
use sha2::block_api::compress256;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::scan::{Needle, aside};
use crate::support::MASK;

fn unmasked(masked: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(masked.iter().map(|byte| byte ^ MASK).collect())
}

/// The AEAD key of a frame as `docs/format.md` derives it.
pub(crate) fn aead_key(masked_key: &[u8], frame: &[u8], encoded_context: &[u8]) -> Needle {
    aside(|| {
        let fixed = [&frame[..8], &frame[10..42]].concat();
        let hash = Sha256::new()
            .chain_update(b"QRE1/context")
            .chain_update(fixed)
            .chain_update(encoded_context)
            .finalize();
        // The first block of HKDF-Expand.
        let mut mac = Hmac::<Sha256>::new_from_slice(&unmasked(masked_key)).unwrap();
        mac.update(b"QRE1/message");
        mac.update(&hash);
        mac.update(&[1]);
        let mut key = mac.finalize().into_bytes();
        let needle = Needle::of(&key);
        key.as_mut_slice().zeroize();
        needle
    })
}

/// What a `MessageKey` keeps of a key: in the FIPS module's build the key, else the states of HMAC.
pub(crate) fn kept(masked_key: &[u8]) -> Needle {
    if cfg!(feature = "fips") { Needle::of_masked(masked_key) } else { hmac_state(masked_key) }
}

/// The inner state of HMAC under a key: as good as the key itself to whoever finds it.
fn hmac_state(masked_key: &[u8]) -> Needle {
    const INITIAL: [u32; 8] = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];
    aside(|| {
        let mut block = [0x36; 64];
        for (byte, key) in block.iter_mut().zip(unmasked(masked_key).iter()) {
            *byte ^= key;
        }
        let mut state = INITIAL;
        compress256(&mut state, &[block]);
        block.zeroize();
        let bytes: Zeroizing<Vec<u8>> =
            Zeroizing::new(state.iter().flat_map(|word| word.to_ne_bytes()).collect());
        state.zeroize();
        Needle::of(&bytes)
    })
}
