//! Rotation of the master key: every KEK comes under the current one.

use async_trait::async_trait;
use sealmq_crypto_core::KeyError;
use tokio_postgres::Transaction;
use tokio_postgres::types::{ToSql, Type};

use crate::call::own_session;
use crate::error::{malformed, sql};
use crate::kek_rows::KekRow;
use crate::keks::Keks;
use crate::master_key::Place;
use crate::rewrap::{self, Batch, RewrapOptions, RewrapProgress, Rewrapping};
use crate::service::PostgresKeyService;

impl PostgresKeyService {
    /// Brings every KEK under the current master key. Run it after all services know the new
    /// master key, with the old one as an earlier one; when it is finished without refused rows,
    /// nothing is left under another master key.
    ///
    /// # Contract
    /// - Interrupted at any time, by dropping it, too, it goes on where it was: rows and progress
    ///   are in one transaction each. Several may run at once, and share the work.
    /// - Memory is bounded by the batch. Services go on meanwhile.
    /// - A row that cannot be opened is counted, logged and left as it is.
    /// - `progress` is called after every batch.
    ///
    /// # Errors
    /// `InvalidInput` for `batch_size`; `Denied`, `Malformed`: permanent; `Unavailable`,
    /// `Throttled`: retryable.
    pub async fn rewrap_keks(
        &self,
        options: &RewrapOptions,
        mut progress: impl FnMut(RewrapProgress) + Send,
    ) -> Result<RewrapProgress, KeyError> {
        rewrap::run(&self.db, options, &KekRows(&self.keks), &mut progress).await
    }
}

struct KekRows<'a>(&'a Keks);

#[derive(Default)]
struct Changes {
    tenants: Vec<String>,
    versions: Vec<i64>,
    old: Vec<Vec<u8>>,
    new: Vec<Vec<u8>>,
    algorithm: String,
}

const OPERATION: &str = "re-wrapping KEKs";

#[async_trait]
impl Rewrapping for KekRows<'_> {
    fn kind(&self) -> &'static str {
        "master_key"
    }

    fn target(&self) -> &str {
        self.0.masters.current_id()
    }

    async fn next(
        &self,
        tx: &Transaction<'_>,
        after: Option<&[String]>,
        rows: u32,
    ) -> Result<Batch, KeyError> {
        let (tenant, version) = match after {
            None => ("", 0_i64),
            Some([tenant, version]) => {
                let version = version.parse().map_err(|_| malformed("the position of a job"))?;
                (tenant.as_str(), version)
            }
            Some(_) => return Err(malformed("the position of a job")),
        };
        let statement = self.0.schema.sql(
            "SELECT tenant_id, key_version, status, encrypted_key, master_key_id,
                 master_algorithm, key_algorithm
             FROM {schema}.kms_keys
             WHERE (tenant_id, key_version) > ($1, $2) AND master_key_id <> $3
               AND encrypted_key IS NOT NULL
             ORDER BY tenant_id, key_version LIMIT $4",
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
            (&tenant, Type::TEXT),
            (&version, Type::INT8),
            (&self.target(), Type::TEXT),
            (&i64::from(rows), Type::INT8),
        ];
        let found = tx.query_typed(&statement, &parameters).await;
        let found = found.map_err(|error| sql(OPERATION, error))?;
        if found.is_empty() {
            return Ok(Batch { last: None, rewrapped: 0, refused: 0 });
        }
        let (sealer, mut opener) = (self.0.masters.sealer().await?, self.0.masters.opener());
        let (mut changes, mut refused, mut last) = (Changes::default(), 0, None);
        for row in &found {
            let tenant: String = row.try_get("tenant_id").map_err(|e| sql(OPERATION, e))?;
            let row = KekRow::read(row)?;
            last = Some(vec![tenant.clone(), row.version.to_string()]);
            let Some(stored) = row.stored else { continue };
            let at = Place { tenant: &tenant, version: row.version };
            let kek = match opener.open(&stored, at).await {
                Ok(kek) => kek,
                Err(error) if error.is_retryable() => return Err(error),
                Err(error) => {
                    tracing::warn!(target: "sealmq::keys::postgres", %error, "a KEK was not re-wrapped");
                    refused += 1;
                    continue;
                }
            };
            let sealed = sealer.seal(&kek, at)?;
            changes.versions.push(i64::from(row.version));
            changes.tenants.push(tenant);
            changes.old.push(stored.encrypted_key);
            changes.new.push(sealed.encrypted_key);
            changes.algorithm = sealed.master_algorithm;
        }
        let rewrapped = self.write(tx, &changes).await?;
        Ok(Batch { last, rewrapped, refused })
    }
}

impl KekRows<'_> {
    /// A row that changed meanwhile keeps the change; the next pass looks at it again.
    async fn write(&self, tx: &Transaction<'_>, changes: &Changes) -> Result<u32, KeyError> {
        let statement = self.0.schema.sql(
            "UPDATE {schema}.kms_keys k
             SET encrypted_key = n.new, master_key_id = $5, master_algorithm = $6
             FROM unnest($1, $2, $3, $4) AS n (tenant, version, old, new)
             WHERE k.tenant_id = n.tenant AND k.key_version = n.version
               AND k.encrypted_key = n.old",
        );
        let written = tx
            .execute_typed(
                &statement,
                &[
                    (&changes.tenants, Type::TEXT_ARRAY),
                    (&changes.versions, Type::INT8_ARRAY),
                    (&changes.old, Type::BYTEA_ARRAY),
                    (&changes.new, Type::BYTEA_ARRAY),
                    (&self.target(), Type::TEXT),
                    (&changes.algorithm, Type::TEXT),
                ],
            )
            .await;
        let written = written.map_err(|error| sql(OPERATION, error))?;
        Ok(u32::try_from(written).unwrap_or(u32::MAX))
    }
}

impl PostgresKeyService {
    /// How many KEKs are not under the current master key.
    ///
    /// # Errors
    /// As [`PostgresKeyService::rewrap_keks`].
    pub async fn keks_to_rewrap(&self) -> Result<u64, KeyError> {
        let operation = "counting KEKs under other master keys";
        let statement = self.keks.schema.sql(
            "SELECT count(*) FROM {schema}.kms_keys
             WHERE master_key_id <> $1 AND encrypted_key IS NOT NULL",
        );
        let current = self.keks.masters.current_id();
        let count: i64 = own_session!(&self.db, operation, |client| async {
            let row = client.query_typed_one(&statement, &[(&current, Type::TEXT)]).await;
            row.and_then(|row| row.try_get(0)).map_err(|error| sql(operation, error))
        })?;
        Ok(u64::try_from(count).unwrap_or_default())
    }
}
