//! The rows of `re_encryption_jobs`: how far a re-wrapping got.

use sealmq_crypto_core::KeyError;
use tokio_postgres::Transaction;
use tokio_postgres::types::{ToSql, Type};

use crate::error::sql;
use crate::schema::Schema;

/// A job that is not finished.
pub(crate) struct Job {
    pub(crate) id: i64,
    /// The primary key of the last row that was looked at; `None` at the start of a pass.
    pub(crate) position: Option<Vec<String>>,
    pub(crate) rows_done: i64,
    pub(crate) pass_done: i64,
    pub(crate) pass_refused: i64,
}

/// The job of this kind and target that is not finished, or a new one. Others who run it wait until
/// the transaction ends.
pub(crate) async fn lock_or_start(
    tx: &Transaction<'_>,
    schema: &Schema,
    kind: &str,
    target: &str,
) -> Result<Job, KeyError> {
    let operation = "starting a re-encryption job";
    let failed = |error| sql(operation, error);
    let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&kind, Type::TEXT), (&target, Type::TEXT)];
    let start = schema.sql(
        "INSERT INTO {schema}.re_encryption_jobs (kind, target) VALUES ($1, $2)
         ON CONFLICT (kind, target) WHERE status = 'running' DO NOTHING",
    );
    let take = schema.sql(
        "SELECT job_id, position, rows_done, pass_done, pass_refused
         FROM {schema}.re_encryption_jobs
         WHERE kind = $1 AND target = $2 AND status = 'running' FOR UPDATE",
    );
    let row = loop {
        tx.execute_typed(&start, &parameters).await.map_err(failed)?;
        // Whoever had it locked may have finished it meanwhile; then there is a new one to start.
        if let Some(row) = tx.query_typed_opt(&take, &parameters).await.map_err(failed)? {
            break row;
        }
    };
    Ok(Job {
        id: row.try_get(0).map_err(failed)?,
        position: row.try_get(1).map_err(failed)?,
        rows_done: row.try_get(2).map_err(failed)?,
        pass_done: row.try_get(3).map_err(failed)?,
        pass_refused: row.try_get(4).map_err(failed)?,
    })
}

/// Keeps how far it got, in the transaction of the rows themselves.
pub(crate) async fn save(
    tx: &Transaction<'_>,
    schema: &Schema,
    job: &Job,
    status: &str,
) -> Result<(), KeyError> {
    let statement = schema.sql(
        "UPDATE {schema}.re_encryption_jobs
         SET position = $2, rows_done = $3, pass_done = $4, pass_refused = $5, status = $6,
             updated_at = now(), finished_at = CASE $6 WHEN 'running' THEN NULL ELSE now() END
         WHERE job_id = $1",
    );
    let saved = tx
        .execute_typed(
            &statement,
            &[
                (&job.id, Type::INT8),
                (&job.position, Type::TEXT_ARRAY),
                (&job.rows_done, Type::INT8),
                (&job.pass_done, Type::INT8),
                (&job.pass_refused, Type::INT8),
                (&status, Type::TEXT),
            ],
        )
        .await;
    saved.map(drop).map_err(|error| sql("keeping the progress of a job", error))
}
