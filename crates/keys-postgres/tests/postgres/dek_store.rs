//! The store of DEKs, beyond the contract of key stores.

use sealmq_crypto_core::{KeyErrorKind, KeyManagementService, KeyProvider};
use sealmq_keys_postgres::PostgresDekStore;

use crate::support::{Schema, kind, superuser, tenant};

fn store(schema: &Schema, ring: &str) -> PostgresDekStore {
    PostgresDekStore::new(schema.service(1), tenant("acme"), ring).unwrap()
}

#[tokio::test]
async fn a_rotation_in_a_transaction_that_is_rolled_back_leaves_nothing() {
    let schema = Schema::new().await;
    let store = store(&schema, "orders");
    let mut client = superuser().await;
    let tx = client.transaction().await.unwrap();
    store.rotate_in(&tx).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(kind(store.current_key_id().await), KeyErrorKind::KeyNotFound);
    let rows =
        "SELECT (SELECT count(*) FROM TABLES.kms_deks) + (SELECT count(*) FROM TABLES.kms_keys)";
    assert_eq!(schema.number(rows).await, 0);
}

#[tokio::test]
async fn concurrent_rotations_leave_one_current_key() {
    let schema = Schema::new().await;
    let rotations: Vec<_> = (0..10)
        .map(|_| {
            let store = store(&schema, "orders");
            tokio::spawn(async move { store.rotate().await })
        })
        .collect();
    for rotation in rotations {
        rotation.await.unwrap().unwrap();
    }
    let store = store(&schema, "orders");
    assert_eq!(store.valid_key_ids().await.unwrap().len(), 10);
    let current = "SELECT count(*) FROM TABLES.kms_deks WHERE status = 'current'";
    assert_eq!(schema.number(current).await, 1);
    assert_eq!(schema.number("SELECT count(*) FROM TABLES.kms_keys").await, 1);
}

#[tokio::test]
async fn rings_are_apart() {
    let schema = Schema::new().await;
    let (orders, bills) = (store(&schema, "orders"), store(&schema, "bills"));
    let id = orders.rotate().await.unwrap();
    assert_eq!(kind(bills.get_key(&id).await), KeyErrorKind::KeyNotFound);
    assert!(bills.valid_key_ids().await.unwrap().is_empty());
    let ring = PostgresDekStore::new(schema.service(1), tenant("acme"), "");
    assert_eq!(kind(ring), KeyErrorKind::InvalidInput { field: "ring" });
}

#[tokio::test]
async fn shredding_the_tenant_ends_its_rings() {
    let schema = Schema::new().await;
    let store = store(&schema, "orders");
    let id = store.rotate().await.unwrap();
    schema.service(1).delete_kek(&tenant("acme")).await.unwrap();
    assert_eq!(kind(store.get_key(&id).await), KeyErrorKind::KeyNotFound);
    assert_eq!(kind(store.rotate().await), KeyErrorKind::KeyNotFound);
}

#[tokio::test]
async fn keys_are_retired_once_and_not_while_they_seal() {
    let schema = Schema::new().await;
    let store = store(&schema, "orders");
    let first = store.rotate().await.unwrap();
    let field = KeyErrorKind::InvalidInput { field: "key_id" };
    assert_eq!(kind(store.retire(&first).await), field);
    store.rotate().await.unwrap();
    for _ in 0..2 {
        store.retire(&first).await.unwrap();
    }
    assert_eq!(kind(store.get_key(&first).await), KeyErrorKind::KeyNotFound);
    let unknown = "no-such-key".parse().unwrap();
    assert_eq!(kind(store.retire(&unknown).await), KeyErrorKind::KeyNotFound);
}
