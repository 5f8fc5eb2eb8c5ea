//! Re-wrapping of a tenant's stored DEKs: all of them come under its latest KEK.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use async_trait::async_trait;
use sealmq_crypto_core::{KeyError, TenantId};
use tokio_postgres::Transaction;
use tokio_postgres::types::{ToSql, Type};

use crate::dek_store::stored_at;
use crate::error::{malformed, sql};
use crate::keks::Keks;
use crate::rewrap::{self, Batch, RewrapOptions, RewrapProgress, Rewrapping};
use crate::service::PostgresKeyService;
use crate::wrap::{Kek, Use, WrappedForm};

impl PostgresKeyService {
    /// Wraps every stored DEK of a tenant, in all its rings, by the latest version of its KEK. When
    /// it is finished without refused rows, no stored DEK needs an older version.
    ///
    /// # Contract
    /// That of [`PostgresKeyService::rewrap_keks`].
    ///
    /// # Errors
    /// `KeyNotFound` when the tenant has no KEK; else as [`PostgresKeyService::rewrap_keks`].
    pub async fn rewrap_stored_deks(
        &self,
        tenant: &TenantId,
        options: &RewrapOptions,
        mut progress: impl FnMut(RewrapProgress) + Send,
    ) -> Result<RewrapProgress, KeyError> {
        let rows = DekRows { keks: &self.keks, tenant };
        rewrap::run(&self.db, options, &rows, &mut progress).await
    }
}

struct DekRows<'a> {
    keks: &'a Keks,
    tenant: &'a TenantId,
}

#[derive(Default)]
struct Changes {
    rings: Vec<String>,
    ids: Vec<String>,
    old: Vec<Vec<u8>>,
    new: Vec<Vec<u8>>,
}

const OPERATION: &str = "re-wrapping stored DEKs";

#[async_trait]
impl Rewrapping for DekRows<'_> {
    fn kind(&self) -> &'static str {
        "stored_deks"
    }

    fn target(&self) -> &str {
        self.tenant.as_str()
    }

    async fn next(
        &self,
        tx: &Transaction<'_>,
        after: Option<&[String]>,
        rows: u32,
    ) -> Result<Batch, KeyError> {
        let (ring, id) = match after {
            None => ("", ""),
            Some([ring, id]) => (ring.as_str(), id.as_str()),
            Some(_) => return Err(malformed("the position of a job")),
        };
        let latest = self.keks.sealing_row(tx, self.tenant).await?;
        let latest = latest.ok_or_else(|| crate::error::no_tenant(self.tenant))?;
        let latest = self.keks.open(self.tenant, &latest).await?;
        let statement = self.keks.schema.sql(
            "SELECT ring, key_id, wrapped_dek FROM {schema}.kms_deks
             WHERE tenant_id = $1 AND (ring, key_id) > ($2, $3) AND kek_version <> $4
               AND wrapped_dek IS NOT NULL
             ORDER BY ring, key_id LIMIT $5",
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 5] = [
            (&self.tenant.as_str(), Type::TEXT),
            (&ring, Type::TEXT),
            (&id, Type::TEXT),
            (&i64::from(latest.version), Type::INT8),
            (&i64::from(rows), Type::INT8),
        ];
        let failed = |error| sql(OPERATION, error);
        let found = tx.query_typed(&statement, &parameters).await.map_err(failed)?;
        let mut keks = HashMap::new();
        let (mut changes, mut refused, mut last) = (Changes::default(), 0, None);
        for row in &found {
            let ring: String = row.try_get(0).map_err(failed)?;
            let id: String = row.try_get(1).map_err(failed)?;
            let old: Vec<u8> = row.try_get(2).map_err(failed)?;
            last = Some(vec![ring.clone(), id.clone()]);
            match self.rewrap(tx, &mut keks, &latest, &old, &stored_at(&ring, &id)).await {
                Ok(new) => {
                    changes.rings.push(ring);
                    changes.ids.push(id);
                    changes.old.push(old);
                    changes.new.push(new);
                }
                Err(error) if error.is_retryable() => return Err(error),
                Err(error) => {
                    tracing::warn!(target: "sealmq::keys::postgres", %error, "a DEK was not re-wrapped");
                    refused += 1;
                }
            }
        }
        let rewrapped = self.write(tx, &changes, latest.version).await?;
        Ok(Batch { last, rewrapped, refused })
    }
}

impl DekRows<'_> {
    async fn rewrap(
        &self,
        tx: &Transaction<'_>,
        keks: &mut HashMap<u32, Kek>,
        latest: &Kek,
        wrapped: &[u8],
        place: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        let form = WrappedForm::parse(wrapped)?;
        let kek = match keks.entry(form.version) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let row = self.keks.opening_row(tx, self.tenant, form.version).await?;
                unknown.insert(self.keks.open(self.tenant, &row).await?)
            }
        };
        let dek = kek.unwrap(Use::Stored, &form, place)?;
        let dek = dek.map_err(|_| crate::error::context_mismatch(self.tenant, form.version))?;
        latest.wrap(Use::Stored, &dek, place)
    }

    /// A row that changed meanwhile keeps the change.
    async fn write(
        &self,
        tx: &Transaction<'_>,
        changes: &Changes,
        version: u32,
    ) -> Result<u32, KeyError> {
        if changes.ids.is_empty() {
            return Ok(0);
        }
        let statement = self.keks.schema.sql(
            "UPDATE {schema}.kms_deks d SET wrapped_dek = n.new, kek_version = $6
             FROM unnest($2, $3, $4, $5) AS n (ring, id, old, new)
             WHERE d.tenant_id = $1 AND d.ring = n.ring AND d.key_id = n.id
               AND d.wrapped_dek = n.old",
        );
        let written = tx
            .execute_typed(
                &statement,
                &[
                    (&self.tenant.as_str(), Type::TEXT),
                    (&changes.rings, Type::TEXT_ARRAY),
                    (&changes.ids, Type::TEXT_ARRAY),
                    (&changes.old, Type::BYTEA_ARRAY),
                    (&changes.new, Type::BYTEA_ARRAY),
                    (&i64::from(version), Type::INT8),
                ],
            )
            .await;
        let written = written.map_err(|error| sql(OPERATION, error))?;
        Ok(u32::try_from(written).unwrap_or(u32::MAX))
    }
}
