//! Two consumers race for the same messages, 10,000 rounds: the work of each is done once.

use std::time::Duration;

use sealmq_crypto_core::{ReplayGuard, Reservation};
use sealmq_keys_postgres::{CommitOutcome, PostgresReplayGuard};

use crate::replay::{HOUR, by, nonce};
use crate::support::{Schema, superuser};

const ROUNDS: u32 = 10_000;
/// Rounds that happen at the same time, with a pair of consumers each.
const LANES: u32 = 4;

#[derive(Default)]
struct Outcome {
    completed: u32,
    /// Work that was done, and undone because the other one was first.
    beaten: u32,
}

/// A consumer whose lease is over as soon as it was granted: both work on every message, and only
/// the commit decides.
async fn consume(guard: PostgresReplayGuard, work: String, lane: u32, consumer: &str) -> Outcome {
    let (mut client, mut outcome) = (superuser().await, Outcome::default());
    client.batch_execute("SET synchronous_commit = off").await.unwrap();
    for n in (lane..ROUNDS).step_by(LANES as usize) {
        let (nonce, identity) = (nonce(n), by(consumer));
        match guard.reserve(&nonce, &identity, Duration::ZERO, HOUR).await.unwrap() {
            Reservation::Granted => {}
            Reservation::Replayed => continue,
            Reservation::Completed => panic!("a consumer meets each message once"),
        }
        let tx = client.transaction().await.unwrap();
        tx.execute_typed(&work, &[(&i64::from(n), tokio_postgres::types::Type::INT8)])
            .await
            .unwrap();
        match guard.in_transaction(&tx).commit(&nonce, &identity).await.unwrap() {
            CommitOutcome::Committed => {
                tx.commit().await.unwrap();
                outcome.completed += 1;
            }
            CommitOutcome::CommittedByAnother => {
                tx.rollback().await.unwrap();
                outcome.beaten += 1;
            }
            CommitOutcome::Unknown => panic!("every nonce was reserved"),
        }
    }
    outcome
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_consumers_complete_each_of_10_000_messages_once() {
    let schema = Schema::new().await;
    schema.run("CREATE TABLE TABLES.work (n bigint)").await;
    let work = schema.sql("INSERT INTO TABLES.work VALUES ($1)");
    let guard = PostgresReplayGuard::new(schema.db.clone(), "orders").unwrap();
    let mut consumers = Vec::new();
    for lane in 0..LANES {
        for consumer in ["a", "b"] {
            consumers.push(tokio::spawn(consume(guard.clone(), work.clone(), lane, consumer)));
        }
    }
    let mut total = Outcome::default();
    for consumer in consumers {
        let outcome = consumer.await.unwrap();
        total.completed += outcome.completed;
        total.beaten += outcome.beaten;
    }
    assert_eq!(total.completed, ROUNDS);
    assert!(total.beaten > 0, "some races were races");
    let (once, rows) = (
        schema.number("SELECT count(DISTINCT n) FROM TABLES.work").await,
        schema.number("SELECT count(*) FROM TABLES.work").await,
    );
    assert_eq!((once, rows), (i64::from(ROUNDS), i64::from(ROUNDS)));
}
