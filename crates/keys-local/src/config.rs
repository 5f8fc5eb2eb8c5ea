//! How a keyring file is used: where it is, how long a writer waits, what a passphrase costs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sealmq_crypto_core::KeyError;

/// What it costs to try one passphrase: the parameters of Argon2id (RFC 9106).
///
/// They are stored in the file, so a keyring keeps those it was created with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassphraseCost {
    memory_kib: u32,
    iterations: u32,
    parallelism: u32,
}

impl PassphraseCost {
    /// The bounds of the memory: 19 MiB, as OWASP recommends at least, to 1 GiB, so that a hostile
    /// file cannot ask for more.
    pub const MEMORY_KIB: std::ops::RangeInclusive<u32> = 19 * 1024..=1024 * 1024;
    /// The bounds of the number of passes.
    pub const ITERATIONS: std::ops::RangeInclusive<u32> = 2..=10;
    /// The bounds of the number of lanes.
    pub const PARALLELISM: std::ops::RangeInclusive<u32> = 1..=4;

    /// Costs within the bounds.
    ///
    /// # Errors
    /// `InvalidInput` names `memory_kib`, `iterations` or `parallelism`.
    pub fn new(memory_kib: u32, iterations: u32, parallelism: u32) -> Result<Self, KeyError> {
        let bounds = [
            ("memory_kib", memory_kib, Self::MEMORY_KIB),
            ("iterations", iterations, Self::ITERATIONS),
            ("parallelism", parallelism, Self::PARALLELISM),
        ];
        for (field, value, range) in bounds {
            if !range.contains(&value) {
                let reason = format!("{value} is not in {} to {}", range.start(), range.end());
                return Err(KeyError::invalid_input(field, reason));
            }
        }
        Ok(Self { memory_kib, iterations, parallelism })
    }

    /// Memory in KiB.
    pub fn memory_kib(&self) -> u32 {
        self.memory_kib
    }

    /// Passes over the memory.
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Lanes of the memory.
    pub fn parallelism(&self) -> u32 {
        self.parallelism
    }
}

impl Default for PassphraseCost {
    /// 64 MiB, 3 passes, 1 lane: above the recommendation, because it is paid once at opening.
    fn default() -> Self {
        Self { memory_kib: 64 * 1024, iterations: 3, parallelism: 1 }
    }
}

/// Where a keyring file is and how it is used.
///
/// A path converts into it, with the defaults.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileKeyringConfig {
    pub(crate) path: PathBuf,
    pub(crate) auto_create: bool,
    pub(crate) lock_wait: Duration,
    pub(crate) passphrase_cost: PassphraseCost,
}

impl FileKeyringConfig {
    /// The keyring at this path, with the defaults: KEKs are created on first use, a writer waits
    /// up to 5 s for another one.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            auto_create: true,
            lock_wait: Duration::from_secs(5),
            passphrase_cost: PassphraseCost::default(),
        }
    }

    /// The same, with or without the creation of a tenant's first KEK when it is first used.
    #[must_use]
    pub fn with_auto_create(mut self, auto_create: bool) -> Self {
        self.auto_create = auto_create;
        self
    }

    /// The same, with this limit to how long a change waits for other writers.
    #[must_use]
    pub fn with_lock_wait(mut self, lock_wait: Duration) -> Self {
        self.lock_wait = lock_wait;
        self
    }

    /// The same, with these costs for a keyring that is created under a passphrase.
    #[must_use]
    pub fn with_passphrase_cost(mut self, cost: PassphraseCost) -> Self {
        self.passphrase_cost = cost;
        self
    }
}

impl From<PathBuf> for FileKeyringConfig {
    fn from(path: PathBuf) -> Self {
        Self::new(path)
    }
}

impl From<&Path> for FileKeyringConfig {
    fn from(path: &Path) -> Self {
        Self::new(path)
    }
}

impl From<&str> for FileKeyringConfig {
    fn from(path: &str) -> Self {
        Self::new(path)
    }
}
