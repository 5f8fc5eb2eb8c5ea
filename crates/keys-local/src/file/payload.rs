//! The keys of a keyring as JSON: what a passphrase seals.

use std::collections::BTreeMap;
use std::sync::Arc;

use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, KeyError, TenantId};
use serde::{Deserialize, Serialize};

use super::secret_base64;
use crate::contents::Contents;
use crate::kek_store::{KekStore, KekVersions, TenantKeks};
use crate::named_keys::{NamedKeyMap, NamedKeySet};

/// No enums and no flattened fields here: serde would copy keys into buffers of its own.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Payload {
    current_key: Option<String>,
    named_keys: Vec<NamedKey>,
    retired_keys: Vec<String>,
    tenants: Vec<Tenant>,
    shredded_tenants: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedKey {
    id: String,
    #[serde(with = "secret_base64")]
    key: Arc<EncryptionKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tenant {
    tenant: String,
    versions: Vec<Version>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Version {
    version: u32,
    #[serde(with = "secret_base64")]
    key: Arc<EncryptionKey>,
}

impl Payload {
    pub(super) fn of(contents: &Contents) -> Self {
        let (named, tenants) = (contents.named.keys(), contents.keks.tenants());
        Self {
            current_key: contents.named.current_id().ok().map(|id| id.to_string()),
            named_keys: named
                .iter()
                .filter_map(|(id, key)| {
                    Some(NamedKey { id: id.to_string(), key: Arc::clone(key.as_ref()?) })
                })
                .collect(),
            retired_keys: named
                .iter()
                .filter(|(_, key)| key.is_none())
                .map(|(id, _)| id.to_string())
                .collect(),
            tenants: tenants
                .iter()
                .filter_map(|(tenant, keks)| match keks {
                    TenantKeks::Live(versions) => Some(Tenant::of(tenant, versions)),
                    TenantKeks::Shredded => None,
                })
                .collect(),
            shredded_tenants: tenants
                .iter()
                .filter(|(_, keks)| matches!(keks, TenantKeks::Shredded))
                .map(|(tenant, _)| tenant.to_string())
                .collect(),
        }
    }

    /// The keys, or the rule that the payload breaks.
    pub(super) fn into_contents(self) -> Result<Contents, &'static str> {
        let mut named = NamedKeyMap::new();
        let live = self.named_keys.into_iter().map(|key| (key.id, Some(key.key)));
        let retired = self.retired_keys.into_iter().map(|id| (id, None));
        for (id, key) in live.chain(retired) {
            insert_once(&mut named, checked(EncryptionKeyId::new(&id))?, key)?;
        }
        let current = self.current_key.map(|id| checked(EncryptionKeyId::new(&id))).transpose()?;

        let mut tenants = BTreeMap::new();
        for tenant in self.tenants {
            let name = checked(TenantId::new(&tenant.tenant))?;
            insert_once(&mut tenants, name, TenantKeks::Live(tenant.into_versions()?))?;
        }
        for tenant in self.shredded_tenants {
            let name = checked(TenantId::new(&tenant))?;
            insert_once(&mut tenants, name, TenantKeks::Shredded)?;
        }
        Ok(Contents {
            named: NamedKeySet::restore(current, named)?,
            keks: KekStore::restore(tenants)?,
        })
    }
}

impl Tenant {
    fn of(tenant: &TenantId, versions: &KekVersions) -> Self {
        let version = |(version, key): (&u32, &Arc<EncryptionKey>)| Version {
            version: *version,
            key: Arc::clone(key),
        };
        Self { tenant: tenant.to_string(), versions: versions.iter().map(version).collect() }
    }

    fn into_versions(self) -> Result<KekVersions, &'static str> {
        let mut versions = KekVersions::new();
        for Version { version, key } in self.versions {
            insert_once(&mut versions, version, key)?;
        }
        Ok(versions)
    }
}

fn checked<T>(name: Result<T, KeyError>) -> Result<T, &'static str> {
    name.map_err(|_| "a key id or tenant name is not acceptable")
}

fn insert_once<K: Ord, V>(map: &mut BTreeMap<K, V>, name: K, value: V) -> Result<(), &'static str> {
    match map.insert(name, value) {
        None => Ok(()),
        Some(_) => Err("a key id, tenant or version stands twice"),
    }
}
