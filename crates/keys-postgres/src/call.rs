//! One call on a connection of its own, in time: in a transaction or without.

use sealmq_crypto_core::KeyError;
use tokio_postgres::Transaction;

use crate::error;

/// `own_lease!(db, operation, |lease| block)`: the outcome of the block. It is made a second time
/// when the server denied it to a user that it does not let in any more, and there is another one.
macro_rules! own_lease {
    ($db:expr, $operation:expr, |$lease:ident| $block:block) => {{
        let db = $db;
        db.in_time($operation, async {
            let mut is_first = true;
            loop {
                #[allow(unused_mut)] // only a transaction changes it
                let mut $lease = db.lease().await?;
                let generation = $lease.generation();
                let outcome = $block;
                $lease.keep();
                match outcome {
                    Err(error) if std::mem::take(&mut is_first) => {
                        if let Err(error) = db.let_in_again(generation, error).await {
                            break Err(error);
                        }
                    }
                    outcome => break outcome,
                }
            }
        })
        .await
    }};
}
pub(crate) use own_lease;

/// `own_session!(db, operation, |client| future)`: a call on a connection of its own, in time.
macro_rules! own_session {
    ($db:expr, $operation:expr, |$client:ident| $work:expr) => {
        $crate::call::own_lease!($db, $operation, |lease| {
            let $client = lease.client();
            $work.await
        })
    };
}
pub(crate) use own_session;

/// `own_transaction!(db, operation, |tx| future)`: the same in a transaction of its own, which is
/// committed when it went well.
macro_rules! own_transaction {
    ($db:expr, $operation:expr, |$tx:ident| $work:expr) => {
        $crate::call::own_lease!($db, $operation, |lease| {
            let begun = lease.begin($operation).await?;
            let outcome = {
                let $tx = &begun;
                $work.await
            };
            $crate::call::end($operation, begun, outcome).await
        })
    };
}
pub(crate) use own_transaction;

/// Commits what went well and rolls back what did not.
pub(crate) async fn end<T>(
    operation: &'static str,
    tx: Transaction<'_>,
    outcome: Result<T, KeyError>,
) -> Result<T, KeyError> {
    match outcome {
        Ok(value) => {
            tx.commit().await.map(|()| value).map_err(|error| error::sql(operation, error))
        }
        Err(error) => {
            let _ = tx.rollback().await; // the connection broke: then the server rolls back
            Err(error)
        }
    }
}
