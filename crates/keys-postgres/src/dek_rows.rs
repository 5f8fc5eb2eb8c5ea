//! The rows of `kms_deks`: what is read from them and written to them.

use sealmq_crypto_core::{EncryptionKeyId, KeyError};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{GenericClient, Transaction};

use crate::error::sql;
use crate::schema::Schema;

/// The keys of one ring of one tenant.
#[derive(Clone, Copy)]
pub(crate) struct Ring<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) tenant: &'a str,
    pub(crate) name: &'a str,
}

impl Ring<'_> {
    /// The wrapped DEK of this id, unless it was retired.
    pub(crate) async fn wrapped(
        self,
        client: &(impl GenericClient + Sync),
        id: &EncryptionKeyId,
    ) -> Result<Option<Vec<u8>>, KeyError> {
        let statement = self.schema.sql(
            "SELECT wrapped_dek FROM {schema}.kms_deks
             WHERE tenant_id = $1 AND ring = $2 AND key_id = $3 AND wrapped_dek IS NOT NULL",
        );
        let failed = |error| sql("reading a DEK", error);
        let row = client.query_typed_opt(&statement, &self.parameters(&id.as_str())).await;
        let row = row.map_err(failed)?;
        row.map(|row| row.try_get(0)).transpose().map_err(failed)
    }

    /// The id of the key that seals.
    pub(crate) async fn current(
        self,
        client: &(impl GenericClient + Sync),
    ) -> Result<Option<EncryptionKeyId>, KeyError> {
        Ok(self.ids(client, &["current"]).await?.pop())
    }

    /// The ids of all keys that open.
    pub(crate) async fn valid(
        self,
        client: &(impl GenericClient + Sync),
    ) -> Result<Vec<EncryptionKeyId>, KeyError> {
        self.ids(client, &["current", "valid"]).await
    }

    async fn ids(
        self,
        client: &(impl GenericClient + Sync),
        statuses: &[&str],
    ) -> Result<Vec<EncryptionKeyId>, KeyError> {
        let statement = self.schema.sql(
            "SELECT key_id FROM {schema}.kms_deks
             WHERE tenant_id = $1 AND ring = $2 AND status = ANY ($3)",
        );
        let failed = |error| sql("listing DEKs", error);
        let parameters: [(&(dyn ToSql + Sync), Type); 3] =
            [(&self.tenant, Type::TEXT), (&self.name, Type::TEXT), (&statuses, Type::TEXT_ARRAY)];
        let rows = client.query_typed(&statement, &parameters).await.map_err(failed)?;
        rows.iter().map(|row| EncryptionKeyId::new(row.try_get(0).map_err(failed)?)).collect()
    }

    /// Adds a key, the current one from now on; the one before goes on opening.
    pub(crate) async fn insert_current(
        self,
        tx: &Transaction<'_>,
        id: &EncryptionKeyId,
        wrapped: &[u8],
        kek_version: u32,
    ) -> Result<(), KeyError> {
        let failed = |error| sql("storing a DEK", error);
        let demote = self.schema.sql(
            "UPDATE {schema}.kms_deks SET status = 'valid'
             WHERE tenant_id = $1 AND ring = $2 AND status = 'current'",
        );
        let insert = self.schema.sql(
            "INSERT INTO {schema}.kms_deks
                 (tenant_id, ring, key_id, wrapped_dek, kek_version, status)
             VALUES ($1, $2, $3, $4, $5, 'current')",
        );
        let id = id.as_str();
        let [tenant, ring, id] = self.parameters(&id);
        tx.execute_typed(&demote, &[tenant.clone(), ring.clone()]).await.map_err(failed)?;
        let version = i64::from(kek_version);
        let values = [tenant, ring, id, (&wrapped as _, Type::BYTEA), (&version as _, Type::INT8)];
        tx.execute_typed(&insert, &values).await.map(drop).map_err(failed)
    }

    /// Erases a key that is not the current one; says its status before, if there is one.
    pub(crate) async fn retire(
        self,
        tx: &Transaction<'_>,
        id: &EncryptionKeyId,
    ) -> Result<Option<String>, KeyError> {
        let failed = |error| sql("retiring a DEK", error);
        let look = self.schema.sql(
            "SELECT status FROM {schema}.kms_deks
             WHERE tenant_id = $1 AND ring = $2 AND key_id = $3 FOR UPDATE",
        );
        let erase = self.schema.sql(
            "UPDATE {schema}.kms_deks
             SET status = 'retired', wrapped_dek = NULL, retired_at = now()
             WHERE tenant_id = $1 AND ring = $2 AND key_id = $3 AND status = 'valid'",
        );
        let id = id.as_str();
        let parameters = self.parameters(&id);
        let row = tx.query_typed_opt(&look, &parameters).await.map_err(failed)?;
        tx.execute_typed(&erase, &parameters).await.map_err(failed)?;
        row.map(|row| row.try_get(0)).transpose().map_err(failed)
    }

    /// The primary key of this id.
    fn parameters<'a>(&'a self, id: &'a &'a str) -> [(&'a (dyn ToSql + Sync), Type); 3] {
        [(&self.tenant, Type::TEXT), (&self.name, Type::TEXT), (id, Type::TEXT)]
    }
}
