//! A replay guard that consumers on many hosts share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sealmq_crypto_core::{
    DeliveryIdentity, KeyError, Nonce, ReplayError, ReplayGuard, Reservation, TenantId,
};
use tokio_postgres::Transaction;

use crate::call::own_session;
use crate::client::PostgresClient;
use crate::collecting::Turns;
use crate::error::{is_serialization_failure, sql};
use crate::replay_rows::{CommitOutcome, Nonces};

/// Rows that one statement removes in the background.
const AT_ONCE: u32 = 10_000;

/// How often a statement is sent when the server gives up on it to serialize it with others.
const ATTEMPTS: u32 = 5;

/// A replay guard in `replay_nonces`, shared by a group of competing consumers.
///
/// # Contract
/// - That of [`ReplayGuard`], on the server's clock: clocks of consumers do not matter.
/// - Over its own connections each step is one statement, and is repeated a few times when the
///   server could not serialize it with others. Nothing else is retried.
/// - In a transaction of the caller's ([`PostgresReplayGuard::in_transaction`]) a commit takes
///   effect together with the caller's own work, exactly once, even when a lease lapsed and two
///   consumers work on one message.
/// - A nonce is remembered until its retention is over. [`PostgresReplayGuard::collect_expired`]
///   removes the rows that are expired, and no other;
///   [`PostgresReplayGuard::with_collection`] has the guard call it.
#[derive(Clone)]
pub struct PostgresReplayGuard {
    db: PostgresClient,
    group: Arc<str>,
    /// Shared by clones; none where others collect.
    turns: Option<Arc<Turns>>,
}

impl PostgresReplayGuard {
    /// The guard of this group of consumers. The server is not asked yet.
    ///
    /// # Errors
    /// `InvalidInput` for `group` unless it has 1 to 128 bytes without a control character.
    pub fn new(db: PostgresClient, group: &str) -> Result<Self, KeyError> {
        TenantId::new(group)
            .map_err(|error| KeyError::invalid_input("group", error.to_string()))?;
        Ok(Self { db, group: group.into(), turns: None })
    }

    /// The same guard, which removes expired nonces in the background once a minute while messages
    /// come. No message waits for it, and a failure is made good by the next time.
    #[must_use]
    pub fn with_collection(mut self) -> Self {
        self.turns = Some(Arc::new(Turns::new()));
        self
    }

    /// The same guard in a transaction of the caller's, which leads to the same database.
    pub fn in_transaction<'a>(&'a self, tx: &'a Transaction<'a>) -> ReplayInTransaction<'a> {
        ReplayInTransaction { nonces: self.nonces(), tx }
    }

    /// Removes nonces of all groups whose retention is over, at most `limit`; says how many. Run it
    /// now and then, and again at once when it removed as many as it may.
    ///
    /// # Errors
    /// [`ReplayError`] when the store cannot answer; retryable.
    pub async fn collect_expired(&self, limit: u32) -> Result<u64, ReplayError> {
        let (nonces, operation) = (self.nonces(), "forgetting nonces");
        let collected = own_session!(&self.db, operation, |client| async {
            nonces.collect(client, limit).await.map_err(|error| sql(operation, error))
        });
        collected.map_err(ReplayError::new)
    }

    fn collect_in_turn(&self) {
        if !self.turns.as_ref().is_some_and(|turns| turns.take()) {
            return;
        }
        let guard = self.clone();
        tokio::spawn(async move {
            loop {
                match guard.collect_expired(AT_ONCE).await {
                    Ok(removed) if removed < u64::from(AT_ONCE) => return,
                    Ok(_) => {}
                    Err(error) => {
                        tracing::debug!(target: "sealmq", %error, "Expired nonces not removed");
                        return;
                    }
                }
            }
        });
    }

    fn nonces(&self) -> Nonces<'_> {
        Nonces { schema: self.db.schema(), group: &self.group }
    }
}

/// Sends a statement again while the server says that it could not serialize it.
macro_rules! serialized {
    ($guard:expr, $operation:expr, |$client:ident| $statement:expr) => {{
        let operation = $operation;
        let outcome = own_session!(&$guard.db, operation, |$client| async {
            let mut attempt = 1;
            loop {
                match $statement.await {
                    Err(error) if is_serialization_failure(&error) && attempt < ATTEMPTS => {
                        tokio::time::sleep(Duration::from_millis(1 << attempt)).await;
                        attempt += 1;
                    }
                    outcome => break outcome.map_err(|error| sql(operation, error)),
                }
            }
        });
        outcome.map_err(ReplayError::new)
    }};
}

#[async_trait]
impl ReplayGuard for PostgresReplayGuard {
    async fn reserve(
        &self,
        nonce: &Nonce,
        identity: &DeliveryIdentity,
        lease: Duration,
        retention: Duration,
    ) -> Result<Reservation, ReplayError> {
        self.collect_in_turn();
        let nonces = self.nonces();
        serialized!(self, "reserving a nonce", |client| nonces
            .reserve(client, nonce, identity, lease, retention))
    }

    async fn extend(
        &self,
        nonce: &Nonce,
        identity: &DeliveryIdentity,
        lease: Duration,
    ) -> Result<(), ReplayError> {
        let nonces = self.nonces();
        serialized!(self, "extending a lease", |client| nonces
            .extend(client, nonce, identity, lease))
    }

    async fn commit(&self, nonce: &Nonce, identity: &DeliveryIdentity) -> Result<(), ReplayError> {
        let nonces = self.nonces();
        // Whoever completed it, the message is done.
        serialized!(self, "committing a nonce", |client| nonces.commit(client, nonce, identity))
            .map(|_| ())
    }

    async fn release(&self, nonce: &Nonce, identity: &DeliveryIdentity) -> Result<(), ReplayError> {
        let nonces = self.nonces();
        serialized!(self, "releasing a nonce", |client| nonces.release(client, nonce, identity))
    }

    async fn health(&self) -> Result<(), ReplayError> {
        let asked = own_session!(&self.db, "asking for health", |client| async {
            client.simple_query("").await.map_err(|error| sql("asking for health", error))?;
            Ok(())
        });
        asked.map_err(ReplayError::new)
    }
}

/// A [`PostgresReplayGuard`] in one transaction.
///
/// # Contract
/// - Nothing is there before the caller commits, and a rollback leaves nothing.
/// - Whoever else reserves or commits the same nonce waits until the transaction ends.
/// - Nothing is retried: an error spoils the transaction. Roll it back.
pub struct ReplayInTransaction<'a> {
    nonces: Nonces<'a>,
    tx: &'a Transaction<'a>,
}

impl ReplayInTransaction<'_> {
    /// As [`ReplayGuard::reserve`].
    ///
    /// # Errors
    /// [`ReplayError`] when the store cannot answer; retryable with the whole transaction.
    pub async fn reserve(
        &self,
        nonce: &Nonce,
        identity: &DeliveryIdentity,
        lease: Duration,
        retention: Duration,
    ) -> Result<Reservation, ReplayError> {
        let reserved = self.nonces.reserve(self.tx, nonce, identity, lease, retention).await;
        reserved.map_err(|error| failed("reserving a nonce", error))
    }

    /// Completes the message along with the caller's own work. Repeating it for the same identity
    /// is fine.
    ///
    /// # Errors
    /// As [`ReplayInTransaction::reserve`].
    pub async fn commit(
        &self,
        nonce: &Nonce,
        identity: &DeliveryIdentity,
    ) -> Result<CommitOutcome, ReplayError> {
        let committed = self.nonces.commit(self.tx, nonce, identity).await;
        committed.map_err(|error| failed("committing a nonce", error))
    }

    /// As [`ReplayGuard::release`].
    ///
    /// # Errors
    /// As [`ReplayInTransaction::reserve`].
    pub async fn release(
        &self,
        nonce: &Nonce,
        identity: &DeliveryIdentity,
    ) -> Result<(), ReplayError> {
        let released = self.nonces.release(self.tx, nonce, identity).await;
        released.map_err(|error| failed("releasing a nonce", error))
    }
}

fn failed(operation: &'static str, error: tokio_postgres::Error) -> ReplayError {
    ReplayError::new(sql(operation, error))
}

impl fmt::Debug for PostgresReplayGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresReplayGuard")
            .field("db", &self.db)
            .field("group", &self.group)
            .finish()
    }
}
