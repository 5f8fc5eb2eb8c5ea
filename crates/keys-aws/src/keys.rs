//! Which key of KMS a version of a tenant's KEK is.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_sdk_kms::Client;
use aws_sdk_kms::types::{KeyMetadata, KeyState};
use sealmq_crypto_core::{KeyError, KeyErrorKind, TenantId};

use crate::alias;
use crate::config::KmsKeys;
use crate::error::{Call, Meaning, malformed, no_tenant, no_version, refused, shredded};

/// The keys of all tenants, as far as they were met.
pub(crate) struct Keys {
    pub(crate) sdk: Client,
    pub(crate) keys: KmsKeys,
    /// The keys behind names that do not move while this lives.
    resolved: Mutex<HashMap<String, String>>,
}

impl Keys {
    pub(crate) fn new(sdk: Client, keys: KmsKeys) -> Self {
        Self { sdk, keys, resolved: Mutex::default() }
    }

    /// What to give KMS to wrap by the latest version. An alias per tenant is left to KMS, so that
    /// a rotation by another client is seen at once.
    pub(crate) async fn sealing(&self, tenant: &TenantId) -> Result<String, KeyError> {
        let keys = match &self.keys {
            KmsKeys::PerTenant { alias_prefix } => {
                return Ok(alias::of_tenant(alias_prefix, tenant));
            }
            KmsKeys::Shared(keys) => Some(keys),
            KmsKeys::Mapped(tenants) => tenants.get(tenant),
        };
        let Some(key) = keys.and_then(|keys| keys.last()) else {
            let tenant = tenant.as_str();
            return Err(refused(format!("the configuration maps tenant {tenant:?} to no key")));
        };
        self.resolve(key).await
    }

    /// What to give KMS to unwrap by this version.
    pub(crate) async fn opening(
        &self,
        tenant: &TenantId,
        version: u32,
    ) -> Result<String, KeyError> {
        let keys = match &self.keys {
            KmsKeys::PerTenant { alias_prefix } => {
                let tenant_alias = alias::of_tenant(alias_prefix, tenant);
                let found = self.version(&tenant_alias, version).await?;
                return match found {
                    Some(key) => Ok(key),
                    None => Err(self.no_version(tenant, &tenant_alias, version).await?),
                };
            }
            KmsKeys::Shared(keys) => keys,
            KmsKeys::Mapped(tenants) => tenants.get(tenant).ok_or_else(|| no_tenant(tenant))?,
        };
        let index = usize::try_from(version).ok().and_then(|version| version.checked_sub(1));
        let key = index.and_then(|index| keys.get(index));
        self.resolve(key.ok_or_else(|| no_version(tenant, version))?).await
    }

    /// The version of this tenant's KEK that the key is, which KMS says it wrapped by.
    pub(crate) async fn version_of(&self, tenant: &TenantId, key: &str) -> Result<u32, KeyError> {
        let keys = match &self.keys {
            KmsKeys::PerTenant { alias_prefix } => {
                let tenant_alias = alias::of_tenant(alias_prefix, tenant);
                return self.named_version_of(&tenant_alias, key).await;
            }
            KmsKeys::Shared(keys) => Some(keys),
            KmsKeys::Mapped(tenants) => tenants.get(tenant),
        };
        let keys = keys.map(Vec::as_slice).unwrap_or_default();
        let sealing = self.sealing(tenant).await?;
        match u32::try_from(keys.len()) {
            Ok(version) if same_key(&sealing, key) => Ok(version),
            _ => Err(malformed(format!("KMS wrapped by {key} and not by {sealing}"))),
        }
    }

    async fn named_version_of(&self, tenant_alias: &str, key: &str) -> Result<u32, KeyError> {
        let mut version = 0;
        loop {
            version += 1;
            match self.version(tenant_alias, version).await? {
                Some(found) if same_key(&found, key) => return Ok(version),
                Some(_) => {}
                None => {
                    // The names of a new version may not be known everywhere yet.
                    let reason = format!("{tenant_alias} is {key}, which no version of it is yet");
                    return Err(KeyError::new(KeyErrorKind::Unavailable, reason));
                }
            }
        }
    }

    /// The key of a version, if there is such a version. Its alias never moves.
    pub(crate) async fn version(
        &self,
        tenant_alias: &str,
        version: u32,
    ) -> Result<Option<String>, KeyError> {
        match version {
            0 => Ok(None),
            _ => self.resolve_if_there(&alias::of_version(tenant_alias, version)).await,
        }
    }

    /// Why a tenant does not have this version.
    async fn no_version(
        &self,
        tenant: &TenantId,
        tenant_alias: &str,
        version: u32,
    ) -> Result<KeyError, KeyError> {
        Ok(match self.describe(tenant_alias).await? {
            None => no_tenant(tenant),
            Some(current) if current.waits_for_deletion => shredded(tenant),
            Some(_) => no_version(tenant, version),
        })
    }

    /// The key behind a name of the configuration, asked for once if it is an alias.
    async fn resolve(&self, name: &str) -> Result<String, KeyError> {
        if !is_alias(name) {
            return Ok(name.to_owned());
        }
        let missing = || KeyError::new(KeyErrorKind::KeyNotFound, format!("{name} is not in KMS"));
        self.resolve_if_there(name).await?.ok_or_else(missing)
    }

    async fn resolve_if_there(&self, alias: &str) -> Result<Option<String>, KeyError> {
        let known =
            self.resolved.lock().unwrap_or_else(PoisonError::into_inner).get(alias).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let found = self.describe(alias).await?;
        if let Some(key) = &found {
            self.remember(alias, &key.arn);
        }
        Ok(found.map(|key| key.arn))
    }

    pub(crate) fn remember(&self, alias: &str, key: &str) {
        let mut resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        resolved.insert(alias.to_owned(), key.to_owned());
    }

    /// Some key that was met.
    pub(crate) fn any_met(&self) -> Option<String> {
        let resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        resolved.values().next().cloned()
    }

    /// What KMS says of a key, if it is there.
    pub(crate) async fn describe(&self, name: &str) -> Result<Option<Described>, KeyError> {
        let call = Call::new(format!("describing {name}"), "keys");
        let answer = match self.sdk.describe_key().key_id(name).send().await {
            Ok(answer) => answer,
            Err(error) => {
                let failed = call.failed(&error);
                return match failed.meaning {
                    Meaning::NotFound => Ok(None),
                    _ => Err(failed.into()),
                };
            }
        };
        let described = answer.key_metadata().and_then(Described::of);
        described.map(Some).ok_or_else(|| malformed(format!("the description of {name}")))
    }
}

/// A key, and whether it is being deleted.
pub(crate) struct Described {
    pub(crate) arn: String,
    pub(crate) waits_for_deletion: bool,
}

impl Described {
    fn of(metadata: &KeyMetadata) -> Option<Self> {
        let deleted = [KeyState::PendingDeletion, KeyState::PendingReplicaDeletion];
        Some(Self {
            arn: metadata.arn()?.to_owned(),
            waits_for_deletion: metadata.key_state().is_some_and(|state| deleted.contains(state)),
        })
    }
}

fn is_alias(name: &str) -> bool {
    name.starts_with("alias/") || name.contains(":alias/")
}

/// Whether two names are of one key: ids are compared without account and region, so that replicas
/// of a multi-region key are the same.
pub(crate) fn same_key(one: &str, other: &str) -> bool {
    let id = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    id(one) == id(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_itself_by_id_and_by_arn_and_in_every_region() {
        let id = "mrk-1234abcd12ab34cd56ef1234567890ab";
        let here = format!("arn:aws:kms:eu-central-1:111122223333:key/{id}");
        let there = format!("arn:aws:kms:us-east-1:111122223333:key/{id}");
        assert!(same_key(id, &here) && same_key(&here, &there));
        assert!(!same_key(&here, "arn:aws:kms:eu-central-1:111122223333:key/mrk-0"));
    }
}
