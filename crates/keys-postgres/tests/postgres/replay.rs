//! The replay guard: the contract of `ReplayGuard`, leases, expiry, transactions.

use std::sync::Arc;
use std::time::Duration;

use sealmq_crypto_core::{
    DeliveryIdentity, EncryptedMessage, KeyErrorKind, Nonce, ReplayGuard, Reservation,
};
use sealmq_keys_postgres::{CommitOutcome, PostgresReplayGuard};
use tokio::time::sleep;

use crate::support::{Schema, kind, superuser};
use Reservation::{Completed, Granted, Replayed};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(100);

/// The nonce of this number, as a frame carries it.
pub(crate) fn nonce(n: u32) -> Nonce {
    let (key_reference, commitment_and_tag) = ([1, b'k'], [0; 32 + 16]);
    let mut frame = b"QRE1\x01\x01\x01\x00".to_vec();
    let header_len = 42 + key_reference.len() + 32;
    frame.extend_from_slice(&u16::try_from(header_len).unwrap().to_be_bytes());
    frame.extend_from_slice(&[0; 8 + 20]);
    frame.extend_from_slice(&n.to_be_bytes());
    frame.extend_from_slice(&key_reference);
    frame.extend_from_slice(&commitment_and_tag);
    EncryptedMessage::parse(frame).unwrap().nonce()
}

pub(crate) fn by(identity: &str) -> DeliveryIdentity {
    DeliveryIdentity::new(identity)
}

fn guard(schema: &Schema) -> PostgresReplayGuard {
    PostgresReplayGuard::new(schema.db.clone(), "orders").unwrap()
}

/// Another guard of the same group, as on another host.
async fn two() -> (Schema, PostgresReplayGuard, PostgresReplayGuard) {
    let schema = Schema::new().await;
    let (a, b) = (guard(&schema), guard(&schema));
    (schema, a, b)
}

#[tokio::test]
async fn a_nonce_is_granted_to_one_identity_at_a_time_and_again_to_that_one() {
    let (_schema, a, b) = two().await;
    assert_eq!(a.reserve(&nonce(1), &by("a"), HOUR, HOUR).await.unwrap(), Granted);
    assert_eq!(a.reserve(&nonce(1), &by("a"), HOUR, HOUR).await.unwrap(), Granted);
    assert_eq!(b.reserve(&nonce(1), &by("b"), HOUR, HOUR).await.unwrap(), Replayed);
    assert_eq!(b.reserve(&nonce(2), &by("b"), HOUR, HOUR).await.unwrap(), Granted);
}

#[tokio::test]
async fn a_completed_message_is_settled_again_for_its_copy_and_refused_for_others() {
    let (_schema, a, b) = two().await;
    assert_eq!(a.reserve(&nonce(1), &by("a"), HOUR, HOUR).await.unwrap(), Granted);
    a.commit(&nonce(1), &by("a")).await.unwrap();
    a.commit(&nonce(1), &by("a")).await.unwrap();
    assert_eq!(b.reserve(&nonce(1), &by("a"), HOUR, HOUR).await.unwrap(), Completed);
    assert_eq!(b.reserve(&nonce(1), &by("b"), HOUR, HOUR).await.unwrap(), Replayed);
    a.release(&nonce(1), &by("a")).await.unwrap();
    assert_eq!(b.reserve(&nonce(1), &by("b"), HOUR, HOUR).await.unwrap(), Replayed);
}

#[tokio::test]
async fn a_released_message_may_come_again_and_only_its_holder_releases_it() {
    let (_schema, a, b) = two().await;
    assert_eq!(a.reserve(&nonce(1), &by("a"), HOUR, HOUR).await.unwrap(), Granted);
    b.release(&nonce(1), &by("b")).await.unwrap();
    assert_eq!(b.reserve(&nonce(1), &by("b"), HOUR, HOUR).await.unwrap(), Replayed);
    a.release(&nonce(1), &by("a")).await.unwrap();
    assert_eq!(b.reserve(&nonce(1), &by("b"), HOUR, HOUR).await.unwrap(), Granted);
}

#[tokio::test]
async fn a_lease_lapses_and_can_be_extended() {
    let (_schema, a, b) = two().await;
    assert_eq!(a.reserve(&nonce(1), &by("a"), SHORT, HOUR).await.unwrap(), Granted);
    assert_eq!(a.reserve(&nonce(2), &by("a"), SHORT, HOUR).await.unwrap(), Granted);
    a.extend(&nonce(2), &by("a"), HOUR).await.unwrap();
    b.extend(&nonce(1), &by("b"), HOUR).await.unwrap(); // not its own
    sleep(SHORT * 2).await;
    assert_eq!(b.reserve(&nonce(1), &by("b"), HOUR, HOUR).await.unwrap(), Granted);
    assert_eq!(b.reserve(&nonce(2), &by("b"), HOUR, HOUR).await.unwrap(), Replayed);
    // The first one, whose lease lapsed, completes it after all.
    a.commit(&nonce(1), &by("a")).await.unwrap();
    assert_eq!(b.reserve(&nonce(1), &by("b"), HOUR, HOUR).await.unwrap(), Replayed);
}

#[tokio::test]
async fn expired_nonces_are_forgotten_and_live_ones_are_not() {
    let (schema, a, _) = two().await;
    for n in 0..10 {
        assert_eq!(a.reserve(&nonce(n), &by("a"), SHORT, SHORT).await.unwrap(), Granted);
        a.commit(&nonce(n), &by("a")).await.unwrap();
    }
    for n in 10..15 {
        assert_eq!(a.reserve(&nonce(n), &by("a"), SHORT, HOUR).await.unwrap(), Granted);
        if n > 12 {
            a.commit(&nonce(n), &by("a")).await.unwrap();
        }
    }
    sleep(SHORT * 2).await;
    // As good as forgotten before it is collected, too.
    assert_eq!(a.reserve(&nonce(9), &by("b"), HOUR, HOUR).await.unwrap(), Granted);
    assert_eq!(a.collect_expired(4).await.unwrap(), 4);
    assert_eq!(a.collect_expired(100).await.unwrap(), 5);
    assert_eq!(a.collect_expired(100).await.unwrap(), 0);
    assert_eq!(schema.number("SELECT count(*) FROM TABLES.replay_nonces").await, 6);
    for n in 13..15 {
        assert_eq!(a.reserve(&nonce(n), &by("b"), HOUR, HOUR).await.unwrap(), Replayed);
    }
}

#[tokio::test]
async fn groups_are_apart() {
    let schema = Schema::new().await;
    let other = PostgresReplayGuard::new(schema.db.clone(), "bills").unwrap();
    let guard = guard(&schema);
    assert_eq!(guard.reserve(&nonce(1), &by("a"), HOUR, HOUR).await.unwrap(), Granted);
    assert_eq!(other.reserve(&nonce(1), &by("b"), HOUR, HOUR).await.unwrap(), Granted);
    let bad = PostgresReplayGuard::new(schema.db.clone(), "");
    assert_eq!(kind(bad), KeyErrorKind::InvalidInput { field: "group" });
}

#[tokio::test]
async fn a_rollback_leaves_nothing_and_a_commit_is_of_one_piece() {
    let (schema, a, b) = two().await;
    schema.run("CREATE TABLE TABLES.work (n int)").await;
    let mut client = superuser().await;
    for commits in [false, true] {
        assert_eq!(b.reserve(&nonce(1), &by("a"), HOUR, HOUR).await.unwrap(), Granted);
        let tx = client.transaction().await.unwrap();
        let guarded = a.in_transaction(&tx);
        assert_eq!(guarded.reserve(&nonce(2), &by("a"), HOUR, HOUR).await.unwrap(), Granted);
        let outcome = guarded.commit(&nonce(1), &by("a")).await.unwrap();
        assert_eq!(outcome, CommitOutcome::Committed);
        tx.batch_execute(&schema.sql("INSERT INTO TABLES.work VALUES (1)")).await.unwrap();
        if commits {
            tx.commit().await.unwrap()
        } else {
            tx.rollback().await.unwrap()
        }
        let work = schema.number("SELECT count(*) FROM TABLES.work").await;
        let nonces = schema.number("SELECT count(*) FROM TABLES.replay_nonces").await;
        assert_eq!((work, nonces), if commits { (1, 2) } else { (0, 1) });
    }
    assert_eq!(b.reserve(&nonce(1), &by("a"), HOUR, HOUR).await.unwrap(), Completed);
    let tx = client.transaction().await.unwrap();
    let outcome = a.in_transaction(&tx).commit(&nonce(1), &by("c")).await.unwrap();
    assert_eq!(outcome, CommitOutcome::CommittedByAnother);
    let outcome = a.in_transaction(&tx).commit(&nonce(7), &by("a")).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Unknown);
}

/// A trigger refuses a statement as the server refuses one that it cannot serialize; a sequence
/// counts, because a rollback does not turn it back.
async fn refuse_the_first(schema: &Schema, times: u32) {
    schema
        .run(&format!(
            "CREATE SEQUENCE TABLES.refused;
         CREATE FUNCTION TABLES.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF nextval('TABLES.refused') <= {times} THEN
                 RAISE EXCEPTION 'could not serialize' USING ERRCODE = '40001';
             END IF; RETURN NEW; END $$;
         CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON TABLES.replay_nonces
             FOR EACH ROW EXECUTE FUNCTION TABLES.refuse()"
        ))
        .await;
}

#[tokio::test]
async fn a_serialization_failure_is_tried_again_and_not_for_ever() {
    let (schema, guard, _) = two().await;
    refuse_the_first(&schema, 4).await;
    assert_eq!(guard.reserve(&nonce(1), &by("a"), HOUR, HOUR).await.unwrap(), Granted);
    assert_eq!(schema.number("SELECT last_value FROM TABLES.refused").await, 5);
    schema.run("ALTER SEQUENCE TABLES.refused RESTART").await;
    schema.run("DROP TRIGGER refuse ON TABLES.replay_nonces").await;
    schema
        .run(
            "CREATE TRIGGER refuse BEFORE UPDATE ON TABLES.replay_nonces
        FOR EACH ROW EXECUTE FUNCTION TABLES.refuse()",
        )
        .await;
    guard.commit(&nonce(1), &by("a")).await.unwrap();
    schema.run("DROP TRIGGER refuse ON TABLES.replay_nonces").await;
    schema
        .run(
            "CREATE OR REPLACE FUNCTION TABLES.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'could not serialize' USING ERRCODE = '40001'; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON TABLES.replay_nonces
        FOR EACH ROW EXECUTE FUNCTION TABLES.refuse()",
        )
        .await;
    assert!(guard.reserve(&nonce(2), &by("a"), HOUR, HOUR).await.is_err());
    // Another error is not tried again.
    schema
        .run(
            "CREATE OR REPLACE FUNCTION TABLES.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM nextval('TABLES.refused'); RAISE EXCEPTION 'no' USING ERRCODE = 'P0001';
        END $$",
        )
        .await;
    let before = schema.number("SELECT last_value FROM TABLES.refused").await;
    assert!(guard.reserve(&nonce(3), &by("a"), HOUR, HOUR).await.is_err());
    assert_eq!(schema.number("SELECT last_value FROM TABLES.refused").await, before + 1);
}

#[tokio::test]
async fn twenty_consumers_of_one_message_are_granted_once() {
    let schema = Schema::new().await;
    let guard = Arc::new(guard(&schema));
    for n in 0..5 {
        let racing: Vec<_> = (0..20)
            .map(|consumer| {
                let guard = Arc::clone(&guard);
                tokio::spawn(async move {
                    let by = by(&format!("consumer-{consumer}"));
                    guard.reserve(&nonce(n), &by, HOUR, HOUR).await.unwrap()
                })
            })
            .collect();
        let mut granted = 0;
        for consumer in racing {
            granted += u32::from(consumer.await.unwrap() == Granted);
        }
        assert_eq!(granted, 1);
    }
}
