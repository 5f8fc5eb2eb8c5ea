//! Re-wrapping: interrupted, resumed, bounded in rate, by several at once.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sealmq_crypto_core::{KeyErrorKind, KeyManagementService};
use sealmq_keys_postgres::{MasterKeys, PostgresKeyService, RewrapOptions, RewrapProgress};

use crate::support::{Schema, context, kind, master, superuser, tenant};

/// A service under master key 2 on a schema with so many tenants under master key 1.
async fn tenants(schema: &Schema, count: usize) -> PostgresKeyService {
    let old = schema.service(1);
    let mut client = superuser().await;
    let tx = client.transaction().await.unwrap();
    for n in 0..count {
        let keys = old.in_transaction(&tx);
        keys.rotate_kek(&tenant(&format!("tenant-{n:05}"))).await.unwrap();
    }
    tx.commit().await.unwrap();
    let both = MasterKeys::new(master(2)).with_earlier(master(1)).unwrap();
    schema.service_under(both)
}

fn options(batch: u32) -> RewrapOptions {
    RewrapOptions::new().with_batch_size(batch)
}

/// Runs until so many rows are done, and is dropped then, in the midst of the next batch.
async fn interrupted_after(service: &PostgresKeyService, rows: u64, batch: u32) {
    let done = AtomicU64::new(0);
    let options = options(batch);
    let run = service.rewrap_keks(&options, |now| done.store(now.rewrapped, Ordering::SeqCst));
    let watch = async {
        while done.load(Ordering::SeqCst) < rows {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        outcome = run => panic!("it is over already: {outcome:?}"),
        () = watch => {}
    }
}

#[tokio::test]
async fn what_was_interrupted_twice_goes_on_where_it_was() {
    let schema = Schema::new().await;
    let service = tenants(&schema, 300).await;
    interrupted_after(&service, 50, 10).await;
    interrupted_after(&service, 150, 10).await;
    let left = service.keks_to_rewrap().await.unwrap();
    assert!((1..=150).contains(&left), "{left} are left");
    let saved = "SELECT rows_done FROM TABLES.re_encryption_jobs WHERE status = 'running'";
    assert_eq!(schema.number(saved).await, 300 - i64::try_from(left).unwrap());
    let mut first = None;
    let note_first = |now: RewrapProgress| {
        first.get_or_insert(now.rewrapped);
    };
    let done = service.rewrap_keks(&options(10), note_first).await.unwrap();
    assert!(first.unwrap() > 150, "it does not begin again");
    // Each row once: the count over all three runs is the number of rows.
    assert_eq!((done.rewrapped, done.refused, done.finished), (300, 0, true));
    let jobs = "SELECT count(*) FROM TABLES.re_encryption_jobs WHERE status = 'finished'";
    assert_eq!(schema.number(jobs).await, 1);
    let made = schema.service(2).generate_dek(&context("tenant-00299")).await.unwrap();
    assert!(
        service.decrypt_dek(&made.wrapped, &context("tenant-00299")).await.unwrap() == made.dek
    );
}

#[tokio::test]
async fn a_broken_connection_is_an_error_that_passes_and_loses_nothing() {
    let schema = Schema::new().await;
    let service = tenants(&schema, 100).await;
    // The server ends the session in the midst of a batch, after others were committed.
    schema
        .run(
            "CREATE FUNCTION TABLES.cutter() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF (SELECT count(*) FROM TABLES.kms_keys WHERE master_key_id = 'master-2') >= 40
            THEN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1); END IF;
            RETURN NULL; END $$;
        CREATE TRIGGER cutter AFTER UPDATE ON TABLES.kms_keys
            EXECUTE FUNCTION TABLES.cutter()",
        )
        .await;
    let error = service.rewrap_keks(&options(10), |_| ()).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert_eq!(service.keks_to_rewrap().await.unwrap(), 70);
    schema.run("DROP TRIGGER cutter ON TABLES.kms_keys").await;
    let done = service.rewrap_keks(&options(10), |_| ()).await.unwrap();
    assert_eq!((done.rewrapped, done.finished), (100, true));
}

#[tokio::test]
async fn the_rate_is_kept() {
    let schema = Schema::new().await;
    let service = tenants(&schema, 100).await;
    let slow = options(10).with_max_rows_per_second(NonZeroU32::new(100).unwrap());
    let started = Instant::now();
    service
        .rewrap_keks(&slow, |now| {
            let allowed = started.elapsed().as_secs_f64() * 100.0 + 11.0;
            assert!(now.rewrapped as f64 <= allowed, "{} of {allowed}", now.rewrapped);
        })
        .await
        .unwrap();
    assert!(started.elapsed() >= Duration::from_millis(950), "{:?}", started.elapsed());
}

#[tokio::test]
async fn several_runs_share_the_work() {
    let schema = Schema::new().await;
    let service = Arc::new(tenants(&schema, 200).await);
    let runs: Vec<_> = (0..4)
        .map(|_| {
            let service = Arc::clone(&service);
            tokio::spawn(async move { service.rewrap_keks(&options(10), |_| ()).await })
        })
        .collect();
    for run in runs {
        assert!(run.await.unwrap().unwrap().finished);
    }
    assert_eq!(service.keks_to_rewrap().await.unwrap(), 0);
    let done = "SELECT sum(rows_done)::bigint FROM TABLES.re_encryption_jobs";
    assert_eq!(schema.number(done).await, 200);
}

/// A service that does not know the new master key yet goes on making KEKs under the old one.
#[tokio::test]
async fn what_is_made_under_the_old_key_meanwhile_is_met_too() {
    let schema = Schema::new().await;
    let service = tenants(&schema, 50).await;
    interrupted_after(&service, 30, 10).await;
    schema.service(1).create_kek(&tenant("a-late-one")).await.unwrap();
    let done = service.rewrap_keks(&options(10), |_| ()).await.unwrap();
    assert_eq!((done.rewrapped, done.finished), (51, true));
    assert_eq!(service.keks_to_rewrap().await.unwrap(), 0);
}

#[tokio::test]
async fn a_row_that_does_not_open_is_counted_and_left() {
    let schema = Schema::new().await;
    let service = tenants(&schema, 30).await;
    schema
        .run(
            "UPDATE TABLES.kms_keys SET encrypted_key = set_byte(encrypted_key, 30, get_byte(encrypted_key, 30) # 1)
        WHERE tenant_id = 'tenant-00011'",
        )
        .await;
    let done = service.rewrap_keks(&options(7), |_| ()).await.unwrap();
    assert_eq!((done.rewrapped, done.refused, done.finished), (29, 1, true));
    assert_eq!(service.keks_to_rewrap().await.unwrap(), 1);
    let jobs = "SELECT count(*) FROM TABLES.re_encryption_jobs WHERE status = 'incomplete'";
    assert_eq!(schema.number(jobs).await, 1);
}

#[tokio::test]
async fn nothing_to_do_is_done_at_once_and_a_bad_batch_size_is_named() {
    let schema = Schema::new().await;
    let service = tenants(&schema, 0).await;
    let done = service.rewrap_keks(&options(10), |_| ()).await.unwrap();
    assert_eq!((done.rewrapped, done.finished), (0, true));
    for size in [0, 10_001] {
        let field = KeyErrorKind::InvalidInput { field: "batch_size" };
        assert_eq!(kind(service.rewrap_keks(&options(size), |_| ()).await), field);
    }
}
