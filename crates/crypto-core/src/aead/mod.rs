//! The AEAD back ends behind one pair of functions.

#[cfg(feature = "aws-lc-rs")]
mod aws_lc_rs;
#[cfg(feature = "ring")]
mod ring;
#[cfg(feature = "rust-crypto")]
mod rust_crypto;

use crate::error::CryptoError;
use crate::format::{FIXED_LEN, TAG_LEN};
use crate::kdf::COMMITMENT_LEN;
use crate::suite::Suite;

/// Length of the associated data of the AEAD: the fixed header, then the commitment.
pub(crate) const AAD_LEN: usize = FIXED_LEN + COMMITMENT_LEN;

/// Length of the nonce of both AEADs.
pub(crate) const AEAD_NONCE_LEN: usize = 12;

/// Every message has a key of its own, so its AEAD nonce is always zero.
const ZERO_NONCE: [u8; AEAD_NONCE_LEN] = [0; AEAD_NONCE_LEN];

/// The tag did not match.
#[derive(Debug)]
pub(crate) struct OpenError;

/// The library that computes the AEAD.
///
/// All variants exist in every build, so that no feature changes this type; a back end that is
/// not built in is refused when it is chosen.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AeadBackend {
    /// AWS-LC through `aws-lc-rs`: the fastest on common servers, and the way to FIPS.
    AwsLcRs,
    /// `ring`.
    Ring,
    /// The `aes-gcm` and `chacha20poly1305` crates: pure Rust.
    RustCrypto,
}

impl AeadBackend {
    /// The back ends that are built in, the preferred one first.
    pub const AVAILABLE: &'static [Self] = &[
        #[cfg(feature = "aws-lc-rs")]
        Self::AwsLcRs,
        #[cfg(feature = "ring")]
        Self::Ring,
        #[cfg(feature = "rust-crypto")]
        Self::RustCrypto,
    ];

    /// Whether this back end computes in a validated FIPS module, which then hashes, derives and
    /// draws random bytes as well. Asked of the module itself; `false` without the feature `fips`.
    pub fn is_fips(self) -> bool {
        match self {
            #[cfg(feature = "fips")]
            Self::AwsLcRs => ::aws_lc_rs::try_fips_mode().is_ok(),
            _ => false,
        }
    }

    /// Refuses a back end that is not built in.
    pub(crate) fn require(self) -> Result<Self, CryptoError> {
        if Self::AVAILABLE.contains(&self) {
            return Ok(self);
        }
        let reason = format!("{self:?} is not built in; enable its feature of sealmq-crypto-core");
        Err(CryptoError::invalid_input("aead_backend", reason))
    }

    /// Refuses a back end that is no FIPS module.
    pub(crate) fn require_fips(self) -> Result<(), CryptoError> {
        match self.is_fips() {
            true => Ok(()),
            false => {
                let reason = format!("{self:?} is no FIPS module: build with the feature `fips`");
                Err(CryptoError::invalid_input("fips", reason))
            }
        }
    }

    /// Encrypts `in_out` in place and returns the tag.
    pub(crate) fn seal(
        self,
        suite: Suite,
        key: &[u8],
        aad: &[u8; AAD_LEN],
        in_out: &mut [u8],
    ) -> Result<[u8; TAG_LEN], CryptoError> {
        self.seal_with(suite, key, &ZERO_NONCE, aad, in_out)
    }

    /// [`seal`](Self::seal) with a nonce and associated data of any length: only `seal` and the
    /// published test vectors call it.
    pub(crate) fn seal_with(
        self,
        suite: Suite,
        key: &[u8],
        nonce: &[u8; AEAD_NONCE_LEN],
        aad: &[u8],
        in_out: &mut [u8],
    ) -> Result<[u8; TAG_LEN], CryptoError> {
        match self {
            #[cfg(feature = "aws-lc-rs")]
            Self::AwsLcRs => aws_lc_rs::seal(suite, key, nonce, aad, in_out),
            #[cfg(feature = "ring")]
            Self::Ring => ring::seal(suite, key, nonce, aad, in_out),
            #[cfg(feature = "rust-crypto")]
            Self::RustCrypto => rust_crypto::seal(suite, key, nonce, aad, in_out),
            #[allow(unreachable_patterns, reason = "which patterns are left depends on features")]
            other => other.require().map(|_| [0; TAG_LEN]),
        }
    }

    /// Decrypts `in_out`, ciphertext then tag, in place; the plaintext is all but the last 16
    /// bytes. On failure `in_out` holds no plaintext that is worth anything: the caller wipes it.
    pub(crate) fn open(
        self,
        suite: Suite,
        key: &[u8],
        aad: &[u8; AAD_LEN],
        in_out: &mut [u8],
    ) -> Result<(), OpenError> {
        self.open_with(suite, key, &ZERO_NONCE, aad, in_out)
    }

    /// [`open`](Self::open) with a nonce and associated data of any length: only `open` and the
    /// published test vectors call it.
    pub(crate) fn open_with(
        self,
        suite: Suite,
        key: &[u8],
        nonce: &[u8; AEAD_NONCE_LEN],
        aad: &[u8],
        in_out: &mut [u8],
    ) -> Result<(), OpenError> {
        match self {
            #[cfg(feature = "aws-lc-rs")]
            Self::AwsLcRs => aws_lc_rs::open(suite, key, nonce, aad, in_out),
            #[cfg(feature = "ring")]
            Self::Ring => ring::open(suite, key, nonce, aad, in_out),
            #[cfg(feature = "rust-crypto")]
            Self::RustCrypto => rust_crypto::open(suite, key, nonce, aad, in_out),
            #[allow(unreachable_patterns, reason = "which patterns are left depends on features")]
            _ => Err(OpenError),
        }
    }
}

impl Default for AeadBackend {
    fn default() -> Self {
        Self::AVAILABLE[0]
    }
}
