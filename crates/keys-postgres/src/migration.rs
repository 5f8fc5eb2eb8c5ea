//! The tables: made and brought up to date, version by version, and who may do what with them.

use std::time::Duration;

use sealmq_crypto_core::{KeyError, KeyErrorKind};
use tokio::time::timeout;
use tokio_postgres::Transaction;
use tokio_postgres::types::Type;

use crate::call::{own_session, own_transaction};
use crate::client::{Lease, PostgresClient};
use crate::error::{sql, timed_out};
use crate::kek_rows::lock;
use crate::schema::Schema;

/// Every migration, the first one first. One that was released is never changed.
const MIGRATIONS: &[(&str, &str)] = &[
    ("keys", include_str!("../migrations/0001_keys.sql")),
    ("replay", include_str!("../migrations/0002_replay.sql")),
];

/// How long a migration may take, waiting for others included.
const LONGEST: Duration = Duration::from_secs(600);

const OPERATION: &str = "migrating the schema";

/// Makes the schema and its tables, or brings them up to date; says which version they have now.
///
/// All of it happens in one transaction, which may take up to ten minutes. Programs that start at the same time wait for one another,
/// and doing it again is fine. The role needs the right to create the schema, or to own it.
///
/// # Errors
/// `Denied` when the role may not do it; `Malformed` when the tables are newer than this program;
/// `Unavailable`, `Throttled`: retryable.
pub async fn migrate(db: &PostgresClient) -> Result<u32, KeyError> {
    own_transaction!(&Patient(db), OPERATION, |tx| migrate_in(tx, db.schema()))
}

/// Connections for a migration, which may take longer than a call.
struct Patient<'a>(&'a PostgresClient);

impl Patient<'_> {
    async fn lease(&self) -> Result<Lease, KeyError> {
        self.0.lease().await
    }

    async fn let_in_again(&self, generation: u64, error: KeyError) -> Result<(), KeyError> {
        self.0.let_in_again(generation, error).await
    }

    async fn in_time<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, KeyError>>,
    ) -> Result<T, KeyError> {
        timeout(LONGEST, call).await.map_err(|_| timed_out(operation))?
    }
}

async fn migrate_in(tx: &Transaction<'_>, schema: &Schema) -> Result<u32, KeyError> {
    let failed = |error| sql(OPERATION, error);
    let unhurried = "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0";
    tx.batch_execute(unhurried).await.map_err(failed)?;
    lock(tx, schema.lock_key("migration", &[])).await?;
    let there = "SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1";
    let there = tx.query_typed_opt(there, &[(&schema.as_str(), Type::TEXT)]).await;
    if there.map_err(failed)?.is_none() {
        tx.batch_execute(&schema.sql("CREATE SCHEMA {schema}")).await.map_err(failed)?;
    }
    let prepare = schema.sql(
        "SET LOCAL search_path = {schema}, pg_catalog; SET LOCAL client_min_messages = warning;
         CREATE TABLE IF NOT EXISTS schema_migrations (
             version    bigint PRIMARY KEY,
             name       text NOT NULL,
             applied_at timestamptz NOT NULL DEFAULT now())",
    );
    tx.batch_execute(&prepare).await.map_err(failed)?;
    let applied = tx.query_typed_one(&schema.sql(LATEST), &[]).await;
    let applied: i64 = applied.and_then(|row| row.try_get(0)).map_err(failed)?;
    if applied > MIGRATIONS.len() as i64 {
        let newer = format!("the schema has version {applied}, this program knows {}", known());
        return Err(KeyError::new(KeyErrorKind::Malformed, newer));
    }
    for (version, (name, statements)) in (1_i64..).zip(MIGRATIONS) {
        if version <= applied {
            continue;
        }
        tx.batch_execute(statements).await.map_err(failed)?;
        let note = "INSERT INTO schema_migrations (version, name) VALUES ($1, $2)";
        let noted = tx.execute_typed(note, &[(&version, Type::INT8), (name, Type::TEXT)]).await;
        noted.map_err(failed)?;
    }
    Ok(known())
}

const LATEST: &str = "SELECT coalesce(max(version), 0) FROM {schema}.schema_migrations";

fn known() -> u32 {
    MIGRATIONS.len() as u32
}

/// The version that the tables have; compare it with that of [`migrate`] before serving.
///
/// # Errors
/// `Unavailable` also when there are no tables yet; `Denied`; `Throttled`.
pub async fn schema_version(db: &PostgresClient) -> Result<u32, KeyError> {
    let operation = "reading the version of the schema";
    let latest: i64 = own_session!(db, operation, |client| async {
        let row = client.query_typed_one(&db.schema().sql(LATEST), &[]).await;
        row.and_then(|row| row.try_get(0)).map_err(|error| sql(operation, error))
    })?;
    Ok(u32::try_from(latest).unwrap_or(u32::MAX))
}

/// The grants for services (`runtime`) and for whoever rotates and shreds (`operator`), as SQL to
/// run as the owner of the schema after each migration. The roles have to be there.
///
/// # Errors
/// `InvalidInput` for a name that would need quoting.
pub fn grants(schema: &str, runtime: &str, operator: &str) -> Result<String, KeyError> {
    let named = |field, name| {
        Schema::new(name).map_err(|_| KeyError::invalid_input(field, "a-z, 0-9 and _ only"))
    };
    let schema = Schema::new(schema)?;
    let quoted = |name: Schema| name.sql("{schema}");
    Ok(schema
        .sql(include_str!("../sql/grants.sql"))
        .replace("{runtime}", &quoted(named("runtime", runtime)?))
        .replace("{operator}", &quoted(named("operator", operator)?)))
}
