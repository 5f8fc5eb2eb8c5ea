//! Randomness, straight from the kernel: safe after fork and after a virtual machine is cloned.

use std::sync::Arc;

use crate::error::CryptoError;

/// Where nonces come from. Not public: a caller who could choose nonces could repeat them.
pub(crate) trait EntropySource: Send + Sync {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), CryptoError>;
}

/// The kernel's CSPRNG, asked anew each time: a buffer of random bytes in this process would be
/// handed out twice after a fork.
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
    getrandom::fill(bytes).map_err(|error| CryptoError::unavailable(error.to_string()))
}
