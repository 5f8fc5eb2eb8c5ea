//! Which keys of KMS wrap for which tenant, and what this client may do to them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sealmq_crypto_core::{KeyError, TenantId};

use sealmq_aws::AwsConnection;

use super::first_refused;

/// The KMS keys of tenants.
///
/// A key is named by its id, its ARN or an alias (`alias/…`); a multi-region key by its id
/// (`mrk-…`), which is the same in every region. An alias is resolved once and then stays what it
/// was until the service is made anew.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KmsKeys {
    /// The same keys for all tenants, who are told apart by the encryption context alone: oldest
    /// first, the last one wraps.
    Shared(Vec<String>),
    /// Keys of each tenant: oldest first, the last one wraps. Nobody else has a key.
    Mapped(BTreeMap<TenantId, Vec<String>>),
    /// An alias per tenant, and one per version, all of which begin with this prefix.
    PerTenant {
        /// `alias/` and a path, for example `alias/sealmq/production`.
        alias_prefix: String,
    },
}

/// How AWS KMS is used as a key service.
///
/// ```
/// use sealmq_keys_aws::{AwsConnection, AwsKmsConfig};
///
/// let config = AwsKmsConfig::per_tenant("alias/sealmq/production")
///     .with_connection(AwsConnection::new().with_region("eu-central-1"));
/// assert!(config.validate().is_ok());
/// assert!(AwsKmsConfig::per_tenant("sealmq").validate().is_err());
/// ```
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct AwsKmsConfig {
    /// How to reach KMS.
    pub connection: AwsConnection,
    /// The keys of tenants.
    pub keys: KmsKeys,
    /// Whether a tenant of [`KmsKeys::PerTenant`] gets its first key when it is first used; no.
    pub auto_create: bool,
    /// Whether keys are created as multi-region keys; no.
    pub multi_region: bool,
    /// How long shredded keys can still be brought back by an operator, in days: 7 to 30, the
    /// default.
    pub deletion_window_days: u32,
    /// How long a rotation waits between naming a new version and wrapping by it, so that every
    /// host of KMS knows the name by then; 10 s.
    pub alias_settling: Duration,
}

impl AwsKmsConfig {
    /// These keys for all tenants: oldest first, the last one wraps.
    pub fn shared<K: Into<String>>(keys: impl IntoIterator<Item = K>) -> Self {
        Self::of(KmsKeys::Shared(keys.into_iter().map(Into::into).collect()))
    }

    /// The keys of each tenant: oldest first, the last one wraps.
    pub fn mapped<K: Into<String>>(
        keys: impl IntoIterator<Item = (TenantId, impl IntoIterator<Item = K>)>,
    ) -> Self {
        let list = |keys: Vec<String>| keys;
        let keys = keys
            .into_iter()
            .map(|(tenant, keys)| (tenant, list(keys.into_iter().map(Into::into).collect())));
        Self::of(KmsKeys::Mapped(keys.collect()))
    }

    /// An alias per tenant and version, behind this prefix.
    pub fn per_tenant(alias_prefix: impl Into<String>) -> Self {
        Self::of(KmsKeys::PerTenant { alias_prefix: alias_prefix.into() })
    }

    pub(super) fn of(keys: KmsKeys) -> Self {
        Self {
            connection: AwsConnection::new(),
            keys,
            auto_create: false,
            multi_region: false,
            deletion_window_days: 30,
            alias_settling: Duration::from_secs(10),
        }
    }

    /// The same configuration over this connection.
    #[must_use]
    pub fn with_connection(mut self, connection: AwsConnection) -> Self {
        self.connection = connection;
        self
    }

    /// The same configuration, with or without the creation of a tenant's first key when it is
    /// first used. It costs money and needs wide permissions. Once KMS has deleted a shredded
    /// tenant's keys for good it forgets their aliases, too: from then on such a client gives the
    /// tenant a new key, where others refuse it.
    #[must_use]
    pub fn with_auto_create(mut self, auto_create: bool) -> Self {
        self.auto_create = auto_create;
        self
    }

    /// The same configuration with or without multi-region keys. Their replicas and the aliases
    /// in other regions are an operator's to make.
    #[must_use]
    pub fn with_multi_region(mut self, multi_region: bool) -> Self {
        self.multi_region = multi_region;
        self
    }

    /// The same configuration with this many days before shredded keys are gone for good.
    #[must_use]
    pub fn with_deletion_window_days(mut self, days: u32) -> Self {
        self.deletion_window_days = days;
        self
    }

    /// The same configuration with this much time for the name of a new version to be known
    /// everywhere.
    #[must_use]
    pub fn with_alias_settling(mut self, time: Duration) -> Self {
        self.alias_settling = time;
        self
    }

    /// Checks everything that can be checked without I/O.
    ///
    /// # Errors
    /// `InvalidInput` names the field that is not acceptable.
    pub fn validate(&self) -> Result<(), KeyError> {
        self.connection.validate()?;
        let per_tenant = matches!(self.keys, KmsKeys::PerTenant { .. });
        let keys = match &self.keys {
            KmsKeys::Shared(keys) => {
                ("keys", "are one or more key ids, ARNs or aliases, each once", are_keys(keys))
            }
            KmsKeys::Mapped(tenants) => {
                let all: Vec<String> = tenants.values().flatten().cloned().collect();
                let valid = are_keys(&all) && tenants.values().all(|keys| !keys.is_empty());
                ("keys", "are key ids, ARNs or aliases, each of one tenant only", valid)
            }
            KmsKeys::PerTenant { alias_prefix } => {
                let reason = "is alias/ and 1 to 94 of A-Z a-z 0-9 / _ -, and not alias/aws";
                ("alias_prefix", reason, is_prefix(alias_prefix))
            }
        };
        first_refused([
            keys,
            ("auto_create", "is for keys per tenant", !self.auto_create || per_tenant),
            ("multi_region", "is for keys per tenant", !self.multi_region || per_tenant),
            ("deletion_window_days", "is 7 to 30", (7..=30).contains(&self.deletion_window_days)),
        ])
    }
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte))
}

fn are_keys(keys: &[String]) -> bool {
    let different: BTreeSet<_> = keys.iter().collect();
    !keys.is_empty() && different.len() == keys.len() && keys.iter().all(|key| is_key(key))
}

/// A key id, the ARN of a key or an alias, or an alias that is not one of AWS's own.
fn is_key(key: &str) -> bool {
    if let Some(arn) = key.strip_prefix("arn:") {
        let resource = arn.splitn(5, ':').nth(4).unwrap_or_default();
        let kms = arn.split(':').nth(1) == Some("kms");
        let named = resource.strip_prefix("key/").or_else(|| resource.strip_prefix("alias/"));
        return kms
            && key.len() <= 2048
            && named.is_some_and(|name| !name.is_empty() && is_name(name));
    }
    if key.starts_with("alias/") {
        return key.len() > 6 && key.len() <= 256 && is_name(key) && !key.starts_with("alias/aws/");
    }
    let id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=64).contains(&key.len()) && key.bytes().all(id)
}

fn is_prefix(prefix: &str) -> bool {
    let path = prefix.strip_prefix("alias/").unwrap_or_default();
    (1..=94).contains(&path.len())
        && is_name(path)
        && path != "aws"
        && !path.starts_with("aws/")
        && !path.starts_with('/')
        && !path.ends_with('/')
}
