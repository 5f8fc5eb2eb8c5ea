//! Randomness: by default straight from the kernel, safe after fork and after a virtual machine is
//! cloned; with the feature `fips` from the validated module.

use std::sync::Arc;

use crate::error::CryptoError;
use crate::primitives;

/// Where nonces come from. Not public: a caller who could choose nonces could repeat them.
pub(crate) trait EntropySource: Send + Sync {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), CryptoError>;
}

/// The one source of this build.
struct KernelEntropy;

impl EntropySource for KernelEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), CryptoError> {
        fill_from_kernel(bytes)
    }
}

pub(crate) fn kernel_entropy() -> Arc<dyn EntropySource> {
    Arc::new(KernelEntropy)
}

pub(crate) fn fill_from_kernel(bytes: &mut [u8]) -> Result<(), CryptoError> {
    primitives::fill_random(bytes)
}
