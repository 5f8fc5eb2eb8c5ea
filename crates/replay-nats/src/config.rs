//! Which bucket remembers, for how long, and how many times it is kept.

use std::time::Duration;

use sealmq_crypto_core::CryptoConfig;

use crate::error::NatsReplayError;

mod env;

/// The longest name that the stream below a bucket may have on a file system everywhere.
const LONGEST_NAME: usize = 128;

/// The bucket of a [`NatsReplayGuard`](crate::NatsReplayGuard).
///
/// ```
/// use std::time::Duration;
/// use sealmq_replay_nats::NatsReplayConfig;
///
/// let config = NatsReplayConfig::new("orders-replays")
///     .with_max_age(Duration::from_secs(3600))
///     .with_replicas(3);
/// assert!(config.validate().is_ok());
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsReplayConfig {
    pub(crate) bucket: String,
    pub(crate) max_age: Duration,
    pub(crate) replicas: usize,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) make_bucket: bool,
}

impl NatsReplayConfig {
    /// This bucket, kept once, which remembers for as long as [`CryptoConfig::strict`] needs and is
    /// made when it does not exist.
    pub fn new(bucket: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            max_age: CryptoConfig::strict().nonce_ttl,
            replicas: 1,
            max_bytes: None,
            make_bucket: true,
        }
    }

    /// The same, remembering each nonce for so long after it was last written. At least
    /// [`CryptoConfig::nonce_ttl`] of all clients: reservations that need more are errors.
    #[must_use]
    pub fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// The same, kept on so many servers of the cluster: 1 to 5.
    #[must_use]
    pub fn with_replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// The same with this limit of a bucket that is made; none, which leaves it to the account's.
    /// A nonce takes about 200 bytes. A full bucket is an error, and messages wait.
    #[must_use]
    pub fn with_max_bytes(mut self, max_bytes: u64) -> Self {
        self.max_bytes = Some(max_bytes);
        self
    }

    /// The same, where a bucket that does not exist is an error.
    #[must_use]
    pub fn with_existing_bucket(mut self) -> Self {
        self.make_bucket = false;
        self
    }

    /// Checks every field.
    ///
    /// # Errors
    /// `InvalidInput` with the field: `bucket` has 1 to 128 letters, digits, `-` and `_`,
    /// `max_age` is 1 s to 100 years, `replicas` 1 to 5, `max_bytes` more than 0.
    pub fn validate(&self) -> Result<(), NatsReplayError> {
        let refuse = |field, reason: &str| Err(NatsReplayError::invalid_input(field, reason));
        let in_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let length = self.bucket.len();
        if length == 0 || length > LONGEST_NAME || !self.bucket.bytes().all(in_name) {
            return refuse("bucket", "1 to 128 letters, digits, '-' and '_'");
        }
        let (least, most) = (Duration::from_secs(1), Duration::from_secs(100 * 365 * 24 * 3600));
        if self.max_age < least || self.max_age > most {
            return refuse("max_age", "1 s to 100 years");
        }
        if !(1..=5).contains(&self.replicas) {
            return refuse("replicas", "1 to 5");
        }
        if self.max_bytes.is_some_and(|bytes| bytes == 0 || i64::try_from(bytes).is_err()) {
            return refuse("max_bytes", "more than 0, and less than 2^63");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::NatsReplayErrorKind;

    #[test]
    fn every_field_is_checked_and_named() {
        let config = || NatsReplayConfig::new("orders");
        config().validate().unwrap();
        let bad = [
            ("bucket", NatsReplayConfig::new("")),
            ("bucket", NatsReplayConfig::new("a.b")),
            ("bucket", NatsReplayConfig::new("a b>")),
            ("bucket", NatsReplayConfig::new("x".repeat(129))),
            ("max_age", config().with_max_age(Duration::from_millis(999))),
            ("max_age", config().with_max_age(Duration::MAX)),
            ("replicas", config().with_replicas(0)),
            ("replicas", config().with_replicas(6)),
            ("max_bytes", config().with_max_bytes(0)),
            ("max_bytes", config().with_max_bytes(u64::MAX)),
        ];
        for (field, config) in bad {
            let error = config.validate().unwrap_err();
            assert_eq!(error.kind(), &NatsReplayErrorKind::InvalidInput { field }, "{config:?}");
        }
    }

    #[test]
    fn a_bucket_remembers_for_as_long_as_the_strict_policy_needs() {
        assert_eq!(NatsReplayConfig::new("orders").max_age, CryptoConfig::strict().nonce_ttl);
    }
}
