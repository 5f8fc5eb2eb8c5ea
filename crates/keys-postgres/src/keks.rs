//! The KEKs of tenants: which one wraps, which one opens, the first one, the next one.

use sealmq_crypto_core::{EncryptionKey, KekVersion, KeyError, TenantId, WrapContext, random_key};
use tokio_postgres::{GenericClient, Transaction};

use crate::error;
use crate::kek_rows::{self, KekRow};
use crate::kek_status::KekStatus;
use crate::master_key::{MasterKeys, Place};
use crate::schema::Schema;
use crate::wrap::{Kek, Use, WrappedForm};

/// What does not depend on the connection.
pub(crate) struct Keks {
    pub(crate) masters: MasterKeys,
    pub(crate) schema: Schema,
    pub(crate) auto_create: bool,
}

impl Keks {
    /// The row of the KEK that wraps; `None` when the tenant was never used.
    pub(crate) async fn sealing_row(
        &self,
        client: &(impl GenericClient + Sync),
        tenant: &TenantId,
    ) -> Result<Option<KekRow>, KeyError> {
        let Some(row) = kek_rows::newest(client, &self.schema, tenant).await? else {
            return Ok(None);
        };
        match row.status {
            KekStatus::Active => Ok(Some(row)),
            KekStatus::Destroyed => Err(error::shredded(tenant)),
            KekStatus::DecryptOnly | KekStatus::PendingDeletion => {
                Err(error::disabled(tenant, "every KEK is out of use"))
            }
        }
    }

    /// The row of the KEK of this version, which may open.
    pub(crate) async fn opening_row(
        &self,
        client: &(impl GenericClient + Sync),
        tenant: &TenantId,
        version: u32,
    ) -> Result<KekRow, KeyError> {
        if let Some(row) = kek_rows::by_version(client, &self.schema, tenant, version).await? {
            return match row.status {
                KekStatus::Active | KekStatus::DecryptOnly => Ok(row),
                KekStatus::PendingDeletion => {
                    let what = format!("version {version}, which is to be deleted,");
                    Err(error::disabled(tenant, &what))
                }
                KekStatus::Destroyed => Err(error::destroyed(tenant, version)),
            };
        }
        match kek_rows::newest(client, &self.schema, tenant).await? {
            None => Err(error::no_tenant(tenant)),
            Some(row) if row.status == KekStatus::Destroyed => Err(error::shredded(tenant)),
            Some(_) => Err(error::no_version(tenant, version)),
        }
    }

    /// The KEK of a row.
    pub(crate) async fn open(&self, tenant: &TenantId, row: &KekRow) -> Result<Kek, KeyError> {
        let stored = row.stored.as_ref().ok_or_else(|| error::destroyed(tenant, row.version))?;
        let at = Place { tenant: tenant.as_str(), version: row.version };
        let key = self.masters.opener().open(stored, at).await?;
        Ok(Kek { version: row.version, key })
    }

    /// The KEK that wraps, made in this transaction if the tenant was never used.
    pub(crate) async fn sealing_kek_in(
        &self,
        tx: &Transaction<'_>,
        tenant: &TenantId,
    ) -> Result<Kek, KeyError> {
        if let Some(row) = self.sealing_row(tx, tenant).await? {
            return self.open(tenant, &row).await;
        }
        if !self.auto_create {
            return Err(error::creation_denied(tenant));
        }
        self.first_kek_in(tx, tenant).await
    }

    /// The KEK that wraps, made in this transaction whatever the policy for first use.
    pub(crate) async fn first_kek_in(
        &self,
        tx: &Transaction<'_>,
        tenant: &TenantId,
    ) -> Result<Kek, KeyError> {
        kek_rows::lock_tenant(tx, &self.schema, tenant).await?;
        match self.sealing_row(tx, tenant).await? {
            Some(row) => self.open(tenant, &row).await,
            None => self.add_in(tx, tenant, 1).await,
        }
    }

    /// A new version, which wraps from now on. It can be the first one, subject to its policy.
    pub(crate) async fn rotate_in(
        &self,
        tx: &Transaction<'_>,
        tenant: &TenantId,
    ) -> Result<KekVersion, KeyError> {
        kek_rows::lock_tenant(tx, &self.schema, tenant).await?;
        if self.sealing_row(tx, tenant).await?.is_none() && !self.auto_create {
            return Err(error::creation_denied(tenant));
        }
        let version = kek_rows::next_version(tx, &self.schema, tenant).await?;
        self.add_in(tx, tenant, version).await.map(|kek| KekVersion(kek.version))
    }

    /// Shreds every version.
    pub(crate) async fn shred_in(
        &self,
        tx: &Transaction<'_>,
        tenant: &TenantId,
    ) -> Result<(), KeyError> {
        kek_rows::lock_tenant(tx, &self.schema, tenant).await?;
        kek_rows::shred(tx, &self.schema, tenant).await
    }

    async fn add_in(
        &self,
        tx: &Transaction<'_>,
        tenant: &TenantId,
        version: u32,
    ) -> Result<Kek, KeyError> {
        let key = random_key()?;
        let at = Place { tenant: tenant.as_str(), version };
        let stored = self.masters.sealer().await?.seal(&key, at)?;
        kek_rows::insert_active(tx, &self.schema, tenant, version, &stored).await?;
        Ok(Kek { version, key })
    }
}

/// Wraps a DEK that travels with messages.
pub(crate) fn wrap(
    kek: &Kek,
    dek: &EncryptionKey,
    context: &WrapContext,
) -> Result<Vec<u8>, KeyError> {
    kek.wrap(Use::Message, dek, &context.associated_data())
}

/// Unwraps a DEK that travels with messages.
pub(crate) fn unwrap(
    kek: &Kek,
    form: &WrappedForm,
    context: &WrapContext,
) -> Result<EncryptionKey, KeyError> {
    let opened = kek.unwrap(Use::Message, form, &context.associated_data())?;
    opened.map_err(|_| error::context_mismatch(context.tenant(), form.version))
}
