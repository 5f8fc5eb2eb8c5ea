//! The parts of a provider, and what does not fit together.

use std::fmt;
use std::sync::Arc;

use super::AesGcmCryptoProvider;
use crate::aead::AeadBackend;
use crate::clock::{Clock, SystemClock};
use crate::config::CryptoConfig;
use crate::error::CryptoError;
use crate::keyring::{Keyring, NamedKeys};
#[cfg(test)]
use crate::random::EntropySource;
use crate::random::kernel_entropy;
use crate::suite::Suite;

/// Collects the parts of an [`AesGcmCryptoProvider`].
#[must_use]
pub struct AesGcmCryptoProviderBuilder(AesGcmCryptoProvider);

impl AesGcmCryptoProvider {
    /// Begins a provider with the default suites, back end and clock.
    pub fn builder() -> AesGcmCryptoProviderBuilder {
        AesGcmCryptoProviderBuilder(Self {
            named: None,
            keyring: None,
            suite: Suite::default(),
            accepted_suites: Suite::ALL.to_vec(),
            backend: AeadBackend::default(),
            fips: false,
            clock: Arc::new(SystemClock::new()),
            entropy: kernel_entropy(),
        })
    }
}

impl AesGcmCryptoProviderBuilder {
    /// Opens with these named keys, and seals with them if there is no keyring.
    pub fn named_keys(mut self, named: NamedKeys) -> Self {
        self.0.named = Some(named);
        self
    }

    /// Seals and opens with wrapped DEKs of this keyring.
    pub fn keyring(mut self, keyring: Keyring) -> Self {
        self.0.keyring = Some(keyring);
        self
    }

    /// Takes suites and back end from this policy.
    pub fn config(mut self, config: &CryptoConfig) -> Self {
        self.0.suite = config.suite;
        self.0.accepted_suites.clone_from(&config.accepted_suites);
        self.0.backend = config.aead_backend;
        self.0.fips = config.fips;
        self
    }

    /// Replaces the system's clock.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.0.clock = clock;
        self
    }

    #[cfg(test)]
    pub(crate) fn entropy(mut self, entropy: Arc<dyn EntropySource>) -> Self {
        self.0.entropy = entropy;
        self
    }

    /// The finished provider.
    ///
    /// # Errors
    /// `InvalidInput` names `keys` when there is no key source at all, or `aead_backend` when it
    /// is not built in, `fips` when it is no FIPS module and should be; `Unsupported` when the suite is [`Suite::Remote`].
    pub fn build(self) -> Result<AesGcmCryptoProvider, CryptoError> {
        self.0.backend.require()?;
        if self.0.fips {
            self.0.backend.require_fips()?;
        }
        self.0.suite.in_process()?;
        if self.0.named.is_none() && self.0.keyring.is_none() {
            let reason = "neither a key provider nor a key service is configured";
            return Err(CryptoError::invalid_input("keys", reason));
        }
        Ok(self.0)
    }
}

impl fmt::Debug for AesGcmCryptoProviderBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
