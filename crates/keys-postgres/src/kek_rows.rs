//! The rows of `kms_keys`: what is read from them and written to them.

use sealmq_crypto_core::{KeyError, TenantId};
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row, Transaction};

use crate::error::{malformed, sql};
use crate::kek_status::KekStatus;
use crate::master_key::StoredKek;
use crate::schema::Schema;

/// One version of a tenant's KEK; `stored` is gone when it was destroyed.
pub(crate) struct KekRow {
    pub(crate) version: u32,
    pub(crate) status: KekStatus,
    pub(crate) stored: Option<StoredKek>,
}

const COLUMNS: &str =
    "key_version, status, encrypted_key, master_key_id, master_algorithm, key_algorithm";

impl KekRow {
    pub(crate) fn read(row: &Row) -> Result<Self, KeyError> {
        let broken = |error| sql("reading a row of kms_keys", error);
        let encrypted: Option<Vec<u8>> = row.try_get("encrypted_key").map_err(broken)?;
        let stored = match encrypted {
            None => None,
            Some(encrypted_key) => Some(StoredKek {
                encrypted_key,
                master_key_id: row.try_get("master_key_id").map_err(broken)?,
                master_algorithm: row.try_get("master_algorithm").map_err(broken)?,
                key_algorithm: row.try_get("key_algorithm").map_err(broken)?,
            }),
        };
        let version = version_of(row.try_get("key_version").map_err(broken)?)?;
        let status = KekStatus::parse(row.try_get("status").map_err(broken)?)?;
        Ok(Self { version, status, stored })
    }
}

pub(crate) fn version_of(column: i64) -> Result<u32, KeyError> {
    u32::try_from(column).map_err(|_| malformed("a key version is out of range"))
}

/// The row that says what a tenant is: the active one; else the one that is the least gone.
pub(crate) async fn newest(
    client: &(impl GenericClient + Sync),
    schema: &Schema,
    tenant: &TenantId,
) -> Result<Option<KekRow>, KeyError> {
    let statement = schema.sql(&format!(
        "SELECT {COLUMNS} FROM {{schema}}.kms_keys WHERE tenant_id = $1
         ORDER BY array_position(ARRAY['active', 'decrypt_only', 'pending_deletion'], status)
             NULLS LAST, key_version DESC
         LIMIT 1"
    ));
    let row = client.query_typed_opt(&statement, &[(&tenant.as_str(), Type::TEXT)]).await;
    let row = row.map_err(|error| sql("reading the KEK of a tenant", error))?;
    row.as_ref().map(KekRow::read).transpose()
}

/// The row of this version.
pub(crate) async fn by_version(
    client: &(impl GenericClient + Sync),
    schema: &Schema,
    tenant: &TenantId,
    version: u32,
) -> Result<Option<KekRow>, KeyError> {
    let statement = schema.sql(&format!(
        "SELECT {COLUMNS} FROM {{schema}}.kms_keys WHERE tenant_id = $1 AND key_version = $2"
    ));
    let parameters: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] =
        &[(&tenant.as_str(), Type::TEXT), (&i64::from(version), Type::INT8)];
    let row = client.query_typed_opt(&statement, parameters).await;
    let row = row.map_err(|error| sql("reading a version of a KEK", error))?;
    row.as_ref().map(KekRow::read).transpose()
}

/// Makes everybody else who changes this tenant's KEKs wait until the transaction ends.
pub(crate) async fn lock_tenant(
    tx: &Transaction<'_>,
    schema: &Schema,
    tenant: &TenantId,
) -> Result<(), KeyError> {
    lock(tx, schema.lock_key("kek", &[tenant.as_str()])).await
}

/// Takes an advisory lock until the transaction ends.
pub(crate) async fn lock(tx: &Transaction<'_>, key: i64) -> Result<(), KeyError> {
    let locked =
        tx.query_typed("SELECT pg_catalog.pg_advisory_xact_lock($1)", &[(&key, Type::INT8)]).await;
    locked.map(drop).map_err(|error| sql("waiting for a lock", error))
}

/// The version after the latest one, destroyed ones included: a version is never used twice.
pub(crate) async fn next_version(
    tx: &Transaction<'_>,
    schema: &Schema,
    tenant: &TenantId,
) -> Result<u32, KeyError> {
    let statement = schema
        .sql("SELECT coalesce(max(key_version), 0) FROM {schema}.kms_keys WHERE tenant_id = $1");
    let row = tx.query_typed_one(&statement, &[(&tenant.as_str(), Type::TEXT)]).await;
    let latest = row.and_then(|row| row.try_get(0));
    let latest = version_of(latest.map_err(|error| sql("counting the versions of a KEK", error))?)?;
    latest
        .checked_add(1)
        .ok_or_else(|| KeyError::invalid_input("tenant", "its KEK cannot be rotated any further"))
}

/// Adds the version that wraps from now on; the one before keeps opening.
pub(crate) async fn insert_active(
    tx: &Transaction<'_>,
    schema: &Schema,
    tenant: &TenantId,
    version: u32,
    stored: &StoredKek,
) -> Result<(), KeyError> {
    if version > 1 {
        let demote = schema.sql(
            "UPDATE {schema}.kms_keys SET status = 'decrypt_only', rotated_at = now()
             WHERE tenant_id = $1 AND status = 'active'",
        );
        let demoted = tx.execute_typed(&demote, &[(&tenant.as_str(), Type::TEXT)]).await;
        demoted.map_err(|error| sql("rotating a KEK", error))?;
    }
    let insert = schema.sql(
        "INSERT INTO {schema}.kms_keys (tenant_id, key_version, status, encrypted_key,
             master_key_id, master_algorithm, key_algorithm)
         VALUES ($1, $2, 'active', $3, $4, $5, $6)",
    );
    let inserted = tx
        .execute_typed(
            &insert,
            &[
                (&tenant.as_str(), Type::TEXT),
                (&i64::from(version), Type::INT8),
                (&stored.encrypted_key, Type::BYTEA),
                (&stored.master_key_id, Type::TEXT),
                (&stored.master_algorithm, Type::TEXT),
                (&stored.key_algorithm, Type::TEXT),
            ],
        )
        .await;
    inserted.map(drop).map_err(|error| sql("storing a KEK", error))
}

/// Destroys every version, and leaves a tombstone where there was none.
pub(crate) async fn shred(
    tx: &Transaction<'_>,
    schema: &Schema,
    tenant: &TenantId,
) -> Result<(), KeyError> {
    let operation = "shredding the KEKs of a tenant";
    let destroy = schema.sql(
        "UPDATE {schema}.kms_keys SET status = 'destroyed', encrypted_key = NULL, expires_at = now()
         WHERE tenant_id = $1 AND status <> 'destroyed'",
    );
    let destroyed = tx.execute_typed(&destroy, &[(&tenant.as_str(), Type::TEXT)]).await;
    destroyed.map_err(|error| sql(operation, error))?;
    let bury = schema.sql(
        "INSERT INTO {schema}.kms_keys (tenant_id, key_version, status, master_key_id,
             master_algorithm, key_algorithm, expires_at)
         SELECT $1, 1, 'destroyed', '', '', '', now()
         WHERE NOT EXISTS (SELECT FROM {schema}.kms_keys WHERE tenant_id = $1)",
    );
    let buried = tx.execute_typed(&bury, &[(&tenant.as_str(), Type::TEXT)]).await;
    buried.map(drop).map_err(|error| sql(operation, error))
}
