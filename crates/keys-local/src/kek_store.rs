//! The KEKs of tenants, by version: first use, rotation, shredding.

use std::collections::BTreeMap;
use std::sync::Arc;

use sealmq_crypto_core::{EncryptionKey, KekVersion, KeyError, TenantId, WrapContext, random_key};

use crate::error::{creation_denied, no_tenant, no_version, shredded};
use crate::wrap::{Kek, WrappedForm};

/// Versions of a KEK, the latest last.
pub(crate) type KekVersions = BTreeMap<u32, Arc<EncryptionKey>>;

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum TenantKeks {
    /// Never empty.
    Live(KekVersions),
    /// A tombstone: the tenant is refused, and not created anew.
    Shredded,
}

#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct KekStore {
    tenants: BTreeMap<TenantId, TenantKeks>,
}

impl KekStore {
    /// The KEKs that were stored, or the rule that they break.
    #[cfg(unix)]
    pub(crate) fn restore(tenants: BTreeMap<TenantId, TenantKeks>) -> Result<Self, &'static str> {
        let bad = |keks: &TenantKeks| match keks {
            TenantKeks::Live(versions) => versions.is_empty() || versions.contains_key(&0),
            TenantKeks::Shredded => false,
        };
        if tenants.values().any(bad) {
            return Err("a tenant has no KEK, or one of version 0");
        }
        Ok(Self { tenants })
    }

    #[cfg(unix)]
    pub(crate) fn tenants(&self) -> &BTreeMap<TenantId, TenantKeks> {
        &self.tenants
    }

    /// Every tenant that has a KEK, with the version that wraps.
    pub(crate) fn latest_versions(&self) -> Vec<(TenantId, KekVersion)> {
        let live = self.tenants.keys().filter_map(|tenant| {
            let kek = self.latest(tenant).ok().flatten()?;
            Some((tenant.clone(), KekVersion(kek.version)))
        });
        live.collect()
    }

    /// The KEK that wraps; `None` when the tenant was never used.
    pub(crate) fn latest(&self, tenant: &TenantId) -> Result<Option<Kek>, KeyError> {
        match self.tenants.get(tenant) {
            None => Ok(None),
            Some(TenantKeks::Shredded) => Err(shredded(tenant)),
            Some(TenantKeks::Live(versions)) => Ok(versions
                .last_key_value()
                .map(|(version, key)| Kek { version: *version, key: Arc::clone(key) })),
        }
    }

    /// The KEK that wraps, made now if the tenant was never used.
    pub(crate) fn latest_or_first(&mut self, tenant: &TenantId) -> Result<Kek, KeyError> {
        match self.latest(tenant)? {
            Some(kek) => Ok(kek),
            None => self.insert(tenant, 1),
        }
    }

    /// A rotation can be the first use of a tenant, and is then subject to its policy.
    pub(crate) fn rotate(
        &mut self,
        tenant: &TenantId,
        auto_create: bool,
    ) -> Result<KekVersion, KeyError> {
        let next = match self.latest(tenant)? {
            None if !auto_create => return Err(creation_denied(tenant)),
            None => 1,
            Some(kek) => kek.version.checked_add(1).ok_or_else(|| {
                KeyError::invalid_input("tenant", "its KEK cannot be rotated any further")
            })?,
        };
        Ok(KekVersion(self.insert(tenant, next)?.version))
    }

    pub(crate) fn shred(&mut self, tenant: &TenantId) {
        self.tenants.insert(tenant.clone(), TenantKeks::Shredded);
    }

    pub(crate) fn unwrap(
        &self,
        wrapped: &[u8],
        context: &WrapContext,
    ) -> Result<EncryptionKey, KeyError> {
        let (form, tenant) = (WrappedForm::parse(wrapped)?, context.tenant());
        let versions = match self.tenants.get(tenant) {
            None => return Err(no_tenant(tenant)),
            Some(TenantKeks::Shredded) => return Err(shredded(tenant)),
            Some(TenantKeks::Live(versions)) => versions,
        };
        let version = form.version;
        let key = versions.get(&version).ok_or_else(|| no_version(tenant, version))?;
        Kek { version, key: Arc::clone(key) }.unwrap(&form, context)
    }

    /// Wraps the same DEK by the KEK that wraps now. There is one: it was just opened by one.
    pub(crate) fn rewrap(
        &self,
        wrapped: &[u8],
        context: &WrapContext,
    ) -> Result<Vec<u8>, KeyError> {
        let dek = self.unwrap(wrapped, context)?;
        let tenant = context.tenant();
        self.latest(tenant)?.ok_or_else(|| no_tenant(tenant))?.wrap(&dek, context)
    }

    fn insert(&mut self, tenant: &TenantId, version: u32) -> Result<Kek, KeyError> {
        let key = Arc::new(random_key()?);
        let keks =
            self.tenants.entry(tenant.clone()).or_insert(TenantKeks::Live(KekVersions::new()));
        match keks {
            TenantKeks::Shredded => Err(shredded(tenant)),
            TenantKeks::Live(versions) => {
                versions.insert(version, Arc::clone(&key));
                Ok(Kek { version, key })
            }
        }
    }
}
