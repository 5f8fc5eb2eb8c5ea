//! How long and for how much a DEK is used, and what is remembered.

use std::time::Duration;

use crate::error::CryptoError;

/// How long after a failed fetch the next one is tried while there is a key to go on with.
pub(super) const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// The caps of a keyring.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyringPolicy {
    /// Messages one DEK seals at most; not above 2^24.
    pub max_messages: u64,
    /// Bytes of plaintext one DEK seals at most; not above 2^38.
    pub max_bytes: u64,
    /// Age from which a new DEK is fetched, in the background where there is a spawner.
    pub soft_age: Duration,
    /// Age from which a DEK seals nothing and a cached one opens nothing. Absolute: use does not
    /// prolong it.
    pub hard_age: Duration,
    /// Opened DEKs and named keys remembered at most.
    pub cache_capacity: usize,
    /// How long an unknown key is remembered as unknown; not above 30 s.
    pub unknown_key_ttl: Duration,
    /// Calls to one key service under way at once, at most.
    pub max_concurrent_calls: usize,
}

impl KeyringPolicy {
    /// The most messages any policy may allow a DEK.
    pub const MESSAGES_LIMIT: u64 = 1 << 24;
    /// The most bytes any policy may allow a DEK.
    pub const BYTES_LIMIT: u64 = 1 << 38;
    /// The longest an unknown key may be remembered as unknown.
    pub const UNKNOWN_KEY_TTL_LIMIT: Duration = Duration::from_secs(30);

    /// Checks the caps.
    ///
    /// # Errors
    /// `InvalidInput` names the field that is zero, over its limit or contradicts another.
    pub fn validate(&self) -> Result<(), CryptoError> {
        let refuse = |field, reason: &str| Err(CryptoError::invalid_input(field, reason));
        if !(1..=Self::MESSAGES_LIMIT).contains(&self.max_messages) {
            return refuse("max_messages", "1 to 2^24");
        }
        if !(1..=Self::BYTES_LIMIT).contains(&self.max_bytes) {
            return refuse("max_bytes", "1 to 2^38");
        }
        if self.soft_age.is_zero() || self.soft_age > self.hard_age {
            return refuse("soft_age", "above zero and not above hard_age");
        }
        if self.cache_capacity == 0 {
            return refuse("cache_capacity", "at least 1");
        }
        if self.unknown_key_ttl > Self::UNKNOWN_KEY_TTL_LIMIT {
            return refuse("unknown_key_ttl", "at most 30 s");
        }
        if self.max_concurrent_calls == 0 {
            return refuse("max_concurrent_calls", "at least 1");
        }
        Ok(())
    }
}

impl Default for KeyringPolicy {
    fn default() -> Self {
        Self {
            max_messages: Self::MESSAGES_LIMIT,
            max_bytes: Self::BYTES_LIMIT,
            soft_age: Duration::from_secs(60 * 60),
            hard_age: Duration::from_secs(2 * 60 * 60),
            cache_capacity: 1_024,
            unknown_key_ttl: Duration::from_secs(5),
            max_concurrent_calls: 16,
        }
    }
}
