//! Test: 100,000 stored DEKs re-wrapped, interrupted twice, in constant memory.

use std::time::Instant;

use sealmq_crypto_core::{
    EncryptionKey, EncryptionKeyId, KeyManagementService, KeyProvider, TenantId, random_key,
};
use sealmq_test_kit::required;
use tokio_postgres::types::Type;

use crate::call::own_transaction;
use crate::dek_store::stored_at;
use crate::error::sql;
use crate::wrap::Use;
use crate::{
    MasterKey, MasterKeys, PostgresClient, PostgresConfig, PostgresDekStore, PostgresKeyService,
    PostgresKeyServiceConfig, RewrapOptions, migrate,
};

const ROWS: u64 = 100_000;

fn acme() -> TenantId {
    TenantId::new("acme").unwrap()
}

/// A service on a schema of its own.
async fn service(schema: &str) -> PostgresKeyService {
    let config = PostgresConfig::new(required("SEALMQ_POSTGRES_URL")).without_tls();
    let db = PostgresClient::new(&config.with_schema(schema)).unwrap();
    migrate(&db).await.unwrap();
    let id = EncryptionKeyId::new("master-1").unwrap();
    let masters = MasterKeys::new(MasterKey::new(id, EncryptionKey::from_slice(&[1; 32]).unwrap()));
    PostgresKeyService::new(db, masters, PostgresKeyServiceConfig::new()).unwrap()
}

/// Stores so many DEKs under version 1 of the KEK: many rotations, without their round trips.
async fn store_many(service: &PostgresKeyService, rows: u64) {
    let insert = service.keks.schema.sql(
        "INSERT INTO {schema}.kms_deks (tenant_id, ring, key_id, wrapped_dek, kek_version, status)
         SELECT 'acme', 'orders', id, dek, 1, 'valid' FROM unnest($1, $2) AS n (id, dek)",
    );
    let numbers: Vec<u64> = (0..rows).collect();
    for batch in numbers.chunks(5_000) {
        own_transaction!(&service.db, "test", |tx| async {
            let kek = service.keks.sealing_kek_in(tx, &acme()).await?;
            let ids: Vec<String> = batch.iter().map(|n| format!("dek-{n:08}")).collect();
            let wrap = |id: &String| {
                kek.wrap(Use::Stored, &random_key().unwrap(), &stored_at("orders", id)).unwrap()
            };
            let deks: Vec<_> = ids.iter().map(wrap).collect();
            let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
                [(&ids, Type::TEXT_ARRAY), (&deks, Type::BYTEA_ARRAY)];
            tx.execute_typed(&insert, &values).await.map_err(|error| sql("test", error))
        })
        .unwrap();
    }
}

/// The most bytes that a re-wrapping of so many rows held at a time; interrupted so many times.
fn most_bytes(rows: u64, interruptions: u64) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let schema = format!("rewrap_{}_{rows}", std::process::id());
    let service = runtime.block_on(service(&schema));
    let store = PostgresDekStore::new(service.clone(), acme(), "orders").unwrap();
    let (id, key) = runtime.block_on(async {
        store_many(&service, rows).await;
        service.rotate_kek(&acme()).await.unwrap();
        let id = EncryptionKeyId::new("dek-00001234").unwrap();
        let key = store.get_key(&id).await.unwrap();
        (id, key)
    });
    let options = RewrapOptions::new();
    let started = Instant::now();
    let measured = allocation_counter::measure(|| {
        runtime.block_on(async {
            for n in 1..=interruptions {
                interrupt(&service, &options, rows * n / (interruptions + 1)).await;
            }
            let done = service.rewrap_stored_deks(&acme(), &options, |_| ()).await.unwrap();
            assert_eq!((done.rewrapped, done.refused, done.finished), (rows, 0, true));
        });
    });
    println!("{rows} DEKs in {:?}, {} bytes at most", started.elapsed(), measured.bytes_max);
    runtime.block_on(async {
        assert!(store.get_key(&id).await.unwrap() == key);
        let lease = service.db.lease().await.unwrap();
        let statement = format!("SELECT FROM {schema}.kms_deks WHERE kek_version <> 2");
        assert!(lease.client().query(&statement, &[]).await.unwrap().is_empty());
        lease.client().batch_execute(&format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
    });
    measured.bytes_max
}

/// Drops a run in the midst of a batch, once so many rows are done.
async fn interrupt(service: &PostgresKeyService, options: &RewrapOptions, after: u64) {
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let mut stop = Some(stop);
    let tenant = acme();
    let run = service.rewrap_stored_deks(&tenant, options, |now| {
        if now.rewrapped >= after
            && let Some(stop) = stop.take()
        {
            let _ = stop.send(());
        }
    });
    tokio::select! {
        biased;
        _ = stopped => {}
        done = run => panic!("it is over already: {done:?}"),
    }
}

#[test]
fn a_hundred_thousand_deks_are_rewrapped_in_constant_memory() {
    let (few, many) = (most_bytes(2_000, 0), most_bytes(ROWS, 2));
    assert!(many < few * 3 / 2, "{few} bytes for 2,000 DEKs and {many} for {ROWS}");
}
