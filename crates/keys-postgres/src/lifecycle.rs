//! The life of a KEK after it was rotated: what there is, retiring, the grace period, the end.

use std::time::{Duration, SystemTime};

use sealmq_crypto_core::{KekVersion, KeyError, TenantId};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Row, Transaction};

use crate::call::{own_session, own_transaction};
use crate::error::{destroyed, no_tenant, no_version, sql};
use crate::kek_rows::{by_version, lock_tenant, version_of};
use crate::kek_status::KekStatus;
use crate::schema::Schema;
use crate::service::PostgresKeyService;

/// One version of a tenant's KEK, without its key.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KekRecord {
    /// Which version.
    pub version: KekVersion,
    /// What it still does.
    pub status: KekStatus,
    /// The master key it is under; empty for a tenant that was shredded before its first use.
    pub master_key_id: String,
    /// When it was made.
    pub created_at: SystemTime,
    /// When a newer version took over.
    pub rotated_at: Option<SystemTime>,
    /// When it is destroyed, or was.
    pub expires_at: Option<SystemTime>,
}

impl KekRecord {
    fn read(row: &Row) -> Result<Self, KeyError> {
        let broken = |error| sql("reading a row of kms_keys", error);
        Ok(Self {
            version: KekVersion(version_of(row.try_get("key_version").map_err(broken)?)?),
            status: KekStatus::parse(row.try_get("status").map_err(broken)?)?,
            master_key_id: row.try_get("master_key_id").map_err(broken)?,
            created_at: row.try_get("created_at").map_err(broken)?,
            rotated_at: row.try_get("rotated_at").map_err(broken)?,
            expires_at: row.try_get("expires_at").map_err(broken)?,
        })
    }
}

impl PostgresKeyService {
    /// Tenants in the order of their names, shredded ones included, at most `limit` of those that
    /// come after `after`.
    ///
    /// # Errors
    /// `Denied`, `Malformed`: permanent; `Unavailable`, `Throttled`: retryable.
    pub async fn tenants(
        &self,
        after: Option<&TenantId>,
        limit: u16,
    ) -> Result<Vec<TenantId>, KeyError> {
        let operation = "listing tenants";
        let statement = self.keks.schema.sql(
            "SELECT DISTINCT tenant_id FROM {schema}.kms_keys
             WHERE tenant_id > $1 ORDER BY tenant_id LIMIT $2",
        );
        let after = after.map_or("", TenantId::as_str);
        let parameters: [(&(dyn ToSql + Sync), Type); 2] =
            [(&after, Type::TEXT), (&i64::from(limit), Type::INT8)];
        let rows = own_session!(&self.db, operation, |client| async {
            client.query_typed(&statement, &parameters).await.map_err(|e| sql(operation, e))
        })?;
        let tenant = |row: &Row| TenantId::new(row.try_get(0).map_err(|e| sql(operation, e))?);
        rows.iter().map(tenant).collect()
    }

    /// Every version of a tenant's KEK, the first one first; none for a tenant that was never used.
    ///
    /// # Errors
    /// As [`PostgresKeyService::tenants`].
    pub async fn versions(&self, tenant: &TenantId) -> Result<Vec<KekRecord>, KeyError> {
        let operation = "listing the versions of a KEK";
        let statement = self.keks.schema.sql(
            "SELECT key_version, status, master_key_id, created_at, rotated_at, expires_at
             FROM {schema}.kms_keys WHERE tenant_id = $1 ORDER BY key_version",
        );
        let rows = own_session!(&self.db, operation, |client| async {
            let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&tenant.as_str(), Type::TEXT)];
            client.query_typed(&statement, &parameters).await.map_err(|e| sql(operation, e))
        })?;
        rows.iter().map(KekRecord::read).collect()
    }

    /// Takes a version out of use, to be destroyed when the grace period is over; says when that
    /// is. Until then it is `Disabled`, so that whoever still needs it shows, and can be had back.
    /// Repeating it changes nothing.
    ///
    /// # Errors
    /// `InvalidInput` for `version` when it is the one that wraps, or stored DEKs are still under
    /// it; `KeyNotFound`, `WrongKeyVersion`; else as [`PostgresKeyService::tenants`].
    pub async fn schedule_deletion(
        &self,
        tenant: &TenantId,
        version: KekVersion,
    ) -> Result<SystemTime, KeyError> {
        let (schema, grace) = (&self.keks.schema, self.config.grace_period);
        own_transaction!(&self.db, "scheduling a deletion", |tx| async {
            lock_tenant(tx, schema, tenant).await?;
            let row = by_version(tx, schema, tenant, version.0).await?;
            match row.ok_or_else(|| no_version(tenant, version.0))?.status {
                KekStatus::Active => {
                    let reason = "it is the one that wraps: rotate first";
                    return Err(KeyError::invalid_input("version", reason));
                }
                KekStatus::Destroyed => return Err(destroyed(tenant, version.0)),
                KekStatus::DecryptOnly | KekStatus::PendingDeletion => {}
            }
            if in_use(tx, schema, tenant, version.0).await? {
                let reason = "stored DEKs are still under it: re-wrap them first";
                return Err(KeyError::invalid_input("version", reason));
            }
            let at = schedule(tx, schema, tenant, Some(version.0), grace).await?;
            at.ok_or_else(|| no_version(tenant, version.0))
        })
    }

    /// Takes all of a tenant's KEKs out of use, to be destroyed when the grace period is over; says
    /// when that is. Until then they are `Disabled` and can be had back. Repeating it changes
    /// nothing.
    ///
    /// # Errors
    /// `KeyNotFound` when the tenant has none; else as [`PostgresKeyService::tenants`].
    pub async fn schedule_tenant_deletion(
        &self,
        tenant: &TenantId,
    ) -> Result<SystemTime, KeyError> {
        let (schema, grace) = (&self.keks.schema, self.config.grace_period);
        own_transaction!(&self.db, "scheduling the deletion of a tenant", |tx| async {
            lock_tenant(tx, schema, tenant).await?;
            let at = schedule(tx, schema, tenant, None, grace).await?;
            at.ok_or_else(|| no_tenant(tenant))
        })
    }

    /// Takes back the deletions of a tenant that are scheduled. The latest version wraps again if
    /// no other one does. Repeating it is fine.
    ///
    /// # Errors
    /// As [`PostgresKeyService::tenants`].
    pub async fn cancel_deletion(&self, tenant: &TenantId) -> Result<(), KeyError> {
        let (schema, operation) = (&self.keks.schema, "cancelling a deletion");
        own_transaction!(&self.db, operation, |tx| async {
            lock_tenant(tx, schema, tenant).await?;
            for statement in [
                "UPDATE {schema}.kms_keys SET status = 'decrypt_only', expires_at = NULL
                 WHERE tenant_id = $1 AND status = 'pending_deletion'",
                "UPDATE {schema}.kms_keys SET status = 'active', rotated_at = NULL
                 WHERE tenant_id = $1
                   AND key_version = (SELECT max(key_version) FROM {schema}.kms_keys
                                      WHERE tenant_id = $1 AND status <> 'destroyed')
                   AND NOT EXISTS (SELECT FROM {schema}.kms_keys
                                   WHERE tenant_id = $1 AND status = 'active')",
            ] {
                let tenant: &(dyn ToSql + Sync) = &tenant.as_str();
                let statement = schema.sql(statement);
                let changed = tx.execute_typed(&statement, &[(tenant, Type::TEXT)]).await;
                changed.map_err(|e| sql(operation, e))?;
            }
            Ok(())
        })
    }

    /// Destroys the KEKs whose grace period is over, by the server's clock; says how many.
    ///
    /// # Errors
    /// As [`PostgresKeyService::tenants`].
    pub async fn destroy_expired(&self) -> Result<u64, KeyError> {
        let operation = "destroying expired KEKs";
        let statement = self.keks.schema.sql(
            "UPDATE {schema}.kms_keys SET status = 'destroyed', encrypted_key = NULL
             WHERE status = 'pending_deletion' AND expires_at <= now()",
        );
        own_transaction!(&self.db, operation, |tx| async {
            tx.execute_typed(&statement, &[]).await.map_err(|e| sql(operation, e))
        })
    }
}

/// Whether stored DEKs are wrapped by this version.
async fn in_use(
    tx: &Transaction<'_>,
    schema: &Schema,
    tenant: &TenantId,
    version: u32,
) -> Result<bool, KeyError> {
    let statement = schema.sql(
        "SELECT EXISTS (SELECT FROM {schema}.kms_deks
         WHERE tenant_id = $1 AND kek_version = $2 AND status <> 'retired')",
    );
    let parameters: [(&(dyn ToSql + Sync), Type); 2] =
        [(&tenant.as_str(), Type::TEXT), (&i64::from(version), Type::INT8)];
    let row = tx.query_typed_one(&statement, &parameters).await;
    row.and_then(|row| row.try_get(0)).map_err(|e| sql("looking for stored DEKs", e))
}

/// Schedules one version or all; says when the last of them goes.
async fn schedule(
    tx: &Transaction<'_>,
    schema: &Schema,
    tenant: &TenantId,
    version: Option<u32>,
    grace: Duration,
) -> Result<Option<SystemTime>, KeyError> {
    let operation = "scheduling a deletion";
    let statement = schema.sql(
        "WITH scheduled AS (
             UPDATE {schema}.kms_keys
             SET expires_at = CASE status WHEN 'pending_deletion' THEN expires_at
                              ELSE now() + $3 * interval '1 second' END,
                 status = 'pending_deletion'
             WHERE tenant_id = $1 AND key_version = coalesce($2, key_version)
               AND status <> 'destroyed'
             RETURNING expires_at)
         SELECT max(expires_at) FROM scheduled",
    );
    let parameters: [(&(dyn ToSql + Sync), Type); 3] = [
        (&tenant.as_str(), Type::TEXT),
        (&version.map(i64::from), Type::INT8),
        (&grace.as_secs_f64(), Type::FLOAT8),
    ];
    let row = tx.query_typed_one(&statement, &parameters).await;
    row.and_then(|row| row.try_get(0)).map_err(|e| sql(operation, e))
}
