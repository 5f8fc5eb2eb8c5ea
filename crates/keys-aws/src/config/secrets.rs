//! Which secret of Secrets Manager holds the keys, and which of its versions open.

use std::collections::BTreeSet;
use std::time::Duration;

use sealmq_aws::AwsConnection;
use sealmq_crypto_core::{EncryptionKeyId, KeyError};

use super::first_refused;

/// How a secret of AWS Secrets Manager is used as a store of named keys.
///
/// ```
/// use sealmq_keys_aws::AwsSecretsConfig;
///
/// assert!(AwsSecretsConfig::new("production/orders").validate().is_ok());
/// assert!(AwsSecretsConfig::new("").validate().is_err());
/// ```
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct AwsSecretsConfig {
    /// How to reach Secrets Manager.
    pub connection: AwsConnection,
    /// The secret: its name or ARN.
    pub secret_id: String,
    /// Versions that open besides `AWSCURRENT` and `AWSPREVIOUS`, whatever their labels.
    pub pinned_versions: BTreeSet<EncryptionKeyId>,
    /// A version with a staging label that begins so opens, too; `sealmq-open-`. Secrets Manager
    /// keeps such versions, while it removes those without a label in the end.
    pub open_label_prefix: String,
    /// How long the list of versions may be remembered; 60 s.
    pub refresh_interval: Duration,
}

impl AwsSecretsConfig {
    /// The versions of this secret, which is named or given by its ARN.
    pub fn new(secret_id: impl Into<String>) -> Self {
        Self {
            connection: AwsConnection::new(),
            secret_id: secret_id.into(),
            pinned_versions: BTreeSet::new(),
            open_label_prefix: "sealmq-open-".to_owned(),
            refresh_interval: Duration::from_secs(60),
        }
    }

    /// The same configuration over this connection.
    #[must_use]
    pub fn with_connection(mut self, connection: AwsConnection) -> Self {
        self.connection = connection;
        self
    }

    /// The same configuration with one more version that opens.
    #[must_use]
    pub fn with_pinned_version(mut self, version: EncryptionKeyId) -> Self {
        self.pinned_versions.insert(version);
        self
    }

    /// The same configuration with this beginning of the labels of versions that open.
    #[must_use]
    pub fn with_open_label_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.open_label_prefix = prefix.into();
        self
    }

    /// The same configuration with this much time for which the list of versions is remembered.
    #[must_use]
    pub fn with_refresh_interval(mut self, interval: Duration) -> Self {
        self.refresh_interval = interval;
        self
    }

    /// Checks everything that can be checked without I/O.
    ///
    /// # Errors
    /// `InvalidInput` names the field that is not acceptable.
    pub fn validate(&self) -> Result<(), KeyError> {
        self.connection.validate()?;
        let prefix = &self.open_label_prefix;
        first_refused([
            ("secret_id", "is a name or ARN of 1 to 2048 characters", is_secret(&self.secret_id)),
            (
                "pinned_versions",
                "are version ids of 32 to 64 characters",
                self.pinned_versions.iter().all(|id| is_version(id.as_str())),
            ),
            (
                "open_label_prefix",
                "is 1 to 200 characters and not of AWS's own labels",
                (1..=200).contains(&prefix.len()) && !prefix.starts_with("AWS"),
            ),
        ])
    }
}

fn is_secret(id: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_+=.@:-!".contains(c);
    (1..=2048).contains(&id.len()) && id.chars().all(plain)
}

/// What Secrets Manager takes as the id of a version.
pub(crate) fn is_version(id: &str) -> bool {
    (32..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}
