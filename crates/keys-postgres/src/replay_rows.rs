//! The rows of `replay_nonces`, one statement for each step, on the server's clock.

use std::time::Duration;

use sealmq_crypto_core::{DeliveryIdentity, Nonce, Reservation};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, GenericClient};

use crate::schema::Schema;

/// Longer times than this are as good as this.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// What became of a commit in a transaction.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOutcome {
    /// This delivery completed the message: commit the transaction.
    Committed,
    /// Another delivery completed it: roll back, the work was done already.
    CommittedByAnother,
    /// The nonce was never reserved, or is forgotten: roll back, and let the message come again.
    Unknown,
}

/// The nonces of one group of consumers.
#[derive(Clone, Copy)]
pub(crate) struct Nonces<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) group: &'a str,
}

impl Nonces<'_> {
    pub(crate) async fn reserve(
        self,
        client: &(impl GenericClient + Sync),
        nonce: &Nonce,
        identity: &DeliveryIdentity,
        lease: Duration,
        retention: Duration,
    ) -> Result<Reservation, Error> {
        // What is expired is as good as forgotten, whether or not it was collected yet.
        let take = self.schema.sql(
            "INSERT INTO {schema}.replay_nonces AS r
                 (consumer_group, nonce, phase, identity, lease_until, expires_at)
             VALUES ($1, $2, 'reserved', $3, clock_timestamp() + $4 * interval '1 second',
                 clock_timestamp() + $5 * interval '1 second')
             ON CONFLICT (consumer_group, nonce) DO UPDATE
             SET phase = 'reserved', identity = EXCLUDED.identity,
                 lease_until = EXCLUDED.lease_until,
                 expires_at = CASE WHEN r.expires_at <= clock_timestamp()
                              THEN EXCLUDED.expires_at ELSE r.expires_at END
             WHERE r.expires_at <= clock_timestamp() OR r.phase = 'free'
                OR (r.phase = 'reserved'
                    AND (r.identity = EXCLUDED.identity OR r.lease_until <= clock_timestamp()))
             RETURNING 1",
        );
        let look = self.schema.sql(
            "SELECT phase = 'committed' AND identity = $3 FROM {schema}.replay_nonces
             WHERE consumer_group = $1 AND nonce = $2",
        );
        let (nonce, identity) = (nonce.as_bytes().as_slice(), identity.as_str());
        let (lease, retention) = (seconds(lease), seconds(retention));
        let take_with: [(&(dyn ToSql + Sync), Type); 5] = [
            (&self.group, Type::TEXT),
            (&nonce, Type::BYTEA),
            (&identity, Type::TEXT),
            (&lease, Type::FLOAT8),
            (&retention, Type::FLOAT8),
        ];
        loop {
            if client.query_typed_opt(&take, &take_with).await?.is_some() {
                return Ok(Reservation::Granted);
            }
            if let Some(row) = client.query_typed_opt(&look, &take_with[..3]).await? {
                let completed_by_this = row.try_get(0)?;
                let held = Reservation::Replayed;
                return Ok(if completed_by_this { Reservation::Completed } else { held });
            }
            // It was collected between the two: it is free now.
        }
    }

    pub(crate) async fn extend(
        self,
        client: &(impl GenericClient + Sync),
        nonce: &Nonce,
        identity: &DeliveryIdentity,
        lease: Duration,
    ) -> Result<(), Error> {
        let statement = self.schema.sql(
            "UPDATE {schema}.replay_nonces
             SET lease_until = clock_timestamp() + $4 * interval '1 second'
             WHERE consumer_group = $1 AND nonce = $2 AND phase = 'reserved' AND identity = $3",
        );
        let values: [(&(dyn ToSql + Sync), Type); 4] = [
            (&self.group, Type::TEXT),
            (&nonce.as_bytes().as_slice(), Type::BYTEA),
            (&identity.as_str(), Type::TEXT),
            (&seconds(lease), Type::FLOAT8),
        ];
        client.execute_typed(&statement, &values).await.map(drop)
    }

    /// Commits, unless another identity did. In a transaction it holds the nonce until that ends.
    pub(crate) async fn commit(
        self,
        client: &(impl GenericClient + Sync),
        nonce: &Nonce,
        identity: &DeliveryIdentity,
    ) -> Result<CommitOutcome, Error> {
        let commit = self.schema.sql(
            "UPDATE {schema}.replay_nonces SET phase = 'committed', identity = $3
             WHERE consumer_group = $1 AND nonce = $2
               AND (phase <> 'committed' OR identity = $3)",
        );
        let look = self
            .schema
            .sql("SELECT FROM {schema}.replay_nonces WHERE consumer_group = $1 AND nonce = $2");
        let values: [(&(dyn ToSql + Sync), Type); 3] = [
            (&self.group, Type::TEXT),
            (&nonce.as_bytes().as_slice(), Type::BYTEA),
            (&identity.as_str(), Type::TEXT),
        ];
        if client.execute_typed(&commit, &values).await? > 0 {
            return Ok(CommitOutcome::Committed);
        }
        let found = client.query_typed_opt(&look, &values[..2]).await?;
        Ok(if found.is_some() { CommitOutcome::CommittedByAnother } else { CommitOutcome::Unknown })
    }

    pub(crate) async fn release(
        self,
        client: &(impl GenericClient + Sync),
        nonce: &Nonce,
        identity: &DeliveryIdentity,
    ) -> Result<(), Error> {
        let statement = self.schema.sql(
            "UPDATE {schema}.replay_nonces SET phase = 'free'
             WHERE consumer_group = $1 AND nonce = $2 AND phase = 'reserved' AND identity = $3",
        );
        let values: [(&(dyn ToSql + Sync), Type); 3] = [
            (&self.group, Type::TEXT),
            (&nonce.as_bytes().as_slice(), Type::BYTEA),
            (&identity.as_str(), Type::TEXT),
        ];
        client.execute_typed(&statement, &values).await.map(drop)
    }

    /// Forgets expired nonces of all groups, at most so many; says how many.
    pub(crate) async fn collect(
        self,
        client: &(impl GenericClient + Sync),
        limit: u32,
    ) -> Result<u64, Error> {
        let statement = self.schema.sql(
            "DELETE FROM {schema}.replay_nonces r
             USING (SELECT consumer_group, nonce FROM {schema}.replay_nonces
                    WHERE expires_at <= now() ORDER BY expires_at LIMIT $1
                    FOR UPDATE SKIP LOCKED) AS old
             WHERE r.consumer_group = old.consumer_group AND r.nonce = old.nonce
               AND r.expires_at <= now()",
        );
        client.execute_typed(&statement, &[(&i64::from(limit), Type::INT8)]).await
    }
}

fn seconds(duration: Duration) -> f64 {
    duration.min(LONGEST).as_secs_f64()
}
