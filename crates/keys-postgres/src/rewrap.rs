//! Re-wrapping many rows: in batches, at a bounded rate, going on where it was interrupted.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sealmq_crypto_core::KeyError;
use tokio_postgres::Transaction;

use crate::call::own_transaction;
use crate::client::PostgresClient;
use crate::jobs;

/// How much of a re-wrapping happens at a time.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RewrapOptions {
    pub(crate) batch_size: u32,
    pub(crate) max_rows_per_second: Option<NonZeroU32>,
}

impl RewrapOptions {
    /// Batches of 500 rows, one after the other without a pause.
    pub fn new() -> Self {
        Self { batch_size: 500, max_rows_per_second: None }
    }

    /// The same, with so many rows in one transaction, 1 to 10,000. It bounds the memory. A batch
    /// has to be done within the client's request timeout: choose few rows when the master key is
    /// in another service, which may be asked for each.
    #[must_use]
    pub fn with_batch_size(mut self, rows: u32) -> Self {
        self.batch_size = rows;
        self
    }

    /// The same, with at most so many rows a second.
    #[must_use]
    pub fn with_max_rows_per_second(mut self, rows: NonZeroU32) -> Self {
        self.max_rows_per_second = Some(rows);
        self
    }

    fn validate(&self) -> Result<(), KeyError> {
        if !(1..=10_000).contains(&self.batch_size) {
            return Err(KeyError::invalid_input("batch_size", "1 to 10,000 rows"));
        }
        Ok(())
    }

    /// Batches that are larger than what a second allows would come in bursts.
    fn rows_at_a_time(&self) -> u32 {
        let most = self.max_rows_per_second.map_or(u32::MAX, NonZeroU32::get);
        self.batch_size.min(most)
    }
}

impl Default for RewrapOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// How far a re-wrapping is.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RewrapProgress {
    /// Rows that were re-wrapped, by runs that were interrupted, too.
    pub rewrapped: u64,
    /// Rows that could not be opened and were left as they are.
    pub refused: u64,
    /// Whether nothing is left to be done.
    pub finished: bool,
}

/// What a batch of rows came to.
pub(crate) struct Batch {
    /// The primary key of the last row; `None` when there was none left.
    pub(crate) last: Option<Vec<String>>,
    pub(crate) rewrapped: u32,
    pub(crate) refused: u32,
}

/// Rows that can be re-wrapped.
#[async_trait]
pub(crate) trait Rewrapping: Send + Sync {
    /// As `re_encryption_jobs` names it.
    fn kind(&self) -> &'static str;

    /// What is being made of the rows: it tells one job of a kind from another.
    fn target(&self) -> &str;

    /// Re-wraps the next rows after `after`, in the order of their primary key.
    async fn next(
        &self,
        tx: &Transaction<'_>,
        after: Option<&[String]>,
        rows: u32,
    ) -> Result<Batch, KeyError>;
}

/// Goes over the rows until a pass finds nothing that it can re-wrap: rows that were added meanwhile
/// by somebody who did not know of the change are met by the next pass.
pub(crate) async fn run(
    db: &PostgresClient,
    options: &RewrapOptions,
    work: &dyn Rewrapping,
    progress: &mut (dyn FnMut(RewrapProgress) + Send),
) -> Result<RewrapProgress, KeyError> {
    options.validate()?;
    let (started, mut met) = (Instant::now(), 0_u64);
    loop {
        let (now, rows) = step(db, options.rows_at_a_time(), work).await?;
        progress(now);
        if now.finished {
            return Ok(now);
        }
        met += u64::from(rows);
        if let Some(rate) = options.max_rows_per_second {
            let due = Duration::from_secs_f64(met as f64 / f64::from(rate.get()));
            tokio::time::sleep(due.saturating_sub(started.elapsed())).await;
        }
    }
}

/// One batch and its progress, in one transaction.
async fn step(
    db: &PostgresClient,
    rows: u32,
    work: &dyn Rewrapping,
) -> Result<(RewrapProgress, u32), KeyError> {
    own_transaction!(db, "re-wrapping a batch", |tx| async {
        let schema = db.schema();
        let mut job = jobs::lock_or_start(tx, schema, work.kind(), work.target()).await?;
        let batch = work.next(tx, job.position.as_deref(), rows).await?;
        job.rows_done += i64::from(batch.rewrapped);
        job.pass_done += i64::from(batch.rewrapped);
        job.pass_refused += i64::from(batch.refused);
        let refused = job.pass_refused;
        let pass_over = batch.last.is_none();
        let finished = pass_over && job.pass_done == 0;
        job.position = batch.last;
        let status = match (finished, refused) {
            (false, _) => "running",
            (true, 0) => "finished",
            (true, _) => "incomplete",
        };
        if pass_over && !finished {
            (job.pass_done, job.pass_refused) = (0, 0);
        }
        jobs::save(tx, schema, &job, status).await?;
        let progress = RewrapProgress {
            rewrapped: u64::try_from(job.rows_done).unwrap_or_default(),
            refused: u64::try_from(refused).unwrap_or_default(),
            finished,
        };
        Ok((progress, batch.rewrapped + batch.refused))
    })
}
