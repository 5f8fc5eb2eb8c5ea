//! Retiring versions and tenants: the grace period, the way back, and the end.

use std::time::{Duration, SystemTime};

use sealmq_crypto_core::{KekVersion, KeyErrorKind, KeyManagementService};
use sealmq_keys_postgres::{
    KekStatus, MasterKeys, PostgresDekStore, PostgresKeyService, PostgresKeyServiceConfig,
    RewrapOptions,
};

use crate::support::{Schema, context, kind, master, tenant};

async fn statuses(service: &PostgresKeyService, name: &str) -> Vec<KekStatus> {
    let versions = service.versions(&tenant(name)).await.unwrap();
    versions.iter().map(|record| record.status).collect()
}

const INVALID: KeyErrorKind = KeyErrorKind::InvalidInput { field: "version" };

#[tokio::test]
async fn a_version_goes_through_its_life() {
    use KekStatus::{Active, DecryptOnly, Destroyed, PendingDeletion};
    let schema = Schema::new().await;
    let (service, context, acme) = (schema.service(1), context("acme"), tenant("acme"));
    let made = service.generate_dek(&context).await.unwrap();
    assert_eq!(statuses(&service, "acme").await, [Active]);
    assert_eq!(kind(service.schedule_deletion(&acme, KekVersion(1)).await), INVALID);
    service.rotate_kek(&acme).await.unwrap();
    assert_eq!(statuses(&service, "acme").await, [DecryptOnly, Active]);
    assert!(service.decrypt_dek(&made.wrapped, &context).await.unwrap() == made.dek);

    let at = service.schedule_deletion(&acme, KekVersion(1)).await.unwrap();
    let ahead = at.duration_since(SystemTime::now()).unwrap().as_secs_f64() / 86_400.0;
    assert!((29.9..30.1).contains(&ahead), "{ahead} days");
    assert_eq!(service.schedule_deletion(&acme, KekVersion(1)).await.unwrap(), at);
    assert_eq!(statuses(&service, "acme").await, [PendingDeletion, Active]);
    let opened = service.decrypt_dek(&made.wrapped, &context).await;
    assert_eq!(kind(opened), KeyErrorKind::Disabled);
    assert_eq!(service.destroy_expired().await.unwrap(), 0);

    service.cancel_deletion(&acme).await.unwrap();
    assert_eq!(statuses(&service, "acme").await, [DecryptOnly, Active]);
    assert!(service.decrypt_dek(&made.wrapped, &context).await.unwrap() == made.dek);

    service.schedule_deletion(&acme, KekVersion(1)).await.unwrap();
    schema.run("UPDATE TABLES.kms_keys SET expires_at = now() WHERE key_version = 1").await;
    assert_eq!(service.destroy_expired().await.unwrap(), 1);
    assert_eq!(statuses(&service, "acme").await, [Destroyed, Active]);
    let opened = service.decrypt_dek(&made.wrapped, &context).await;
    assert_eq!(kind(opened), KeyErrorKind::KeyNotFound);
    let left = "SELECT count(encrypted_key) FROM TABLES.kms_keys WHERE key_version = 1";
    assert_eq!(schema.number(left).await, 0);
    service.cancel_deletion(&acme).await.unwrap();
    assert_eq!(statuses(&service, "acme").await, [Destroyed, Active]);
    assert_eq!(service.rotate_kek(&acme).await.unwrap(), KekVersion(3));
}

#[tokio::test]
async fn a_tenant_is_deleted_after_its_grace_period_and_not_reborn() {
    let schema = Schema::new().await;
    let config = PostgresKeyServiceConfig::new().with_grace_period(Duration::from_millis(50));
    let masters = MasterKeys::new(master(1));
    let service = PostgresKeyService::new(schema.db.clone(), masters, config).unwrap();
    let (context, acme) = (context("acme"), tenant("acme"));
    let made = service.generate_dek(&context).await.unwrap();
    service.rotate_kek(&acme).await.unwrap();
    service.schedule_tenant_deletion(&acme).await.unwrap();
    assert_eq!(kind(service.generate_dek(&context).await), KeyErrorKind::Disabled);
    assert_eq!(kind(service.rotate_kek(&acme).await), KeyErrorKind::Disabled);

    service.cancel_deletion(&acme).await.unwrap();
    assert_eq!(statuses(&service, "acme").await, [KekStatus::DecryptOnly, KekStatus::Active]);
    assert!(service.decrypt_dek(&made.wrapped, &context).await.unwrap() == made.dek);

    service.schedule_tenant_deletion(&acme).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(service.destroy_expired().await.unwrap(), 2);
    assert_eq!(kind(service.generate_dek(&context).await), KeyErrorKind::KeyNotFound);
    let unused = tenant("unused");
    assert_eq!(kind(service.schedule_tenant_deletion(&unused).await), KeyErrorKind::KeyNotFound);
}

#[tokio::test]
async fn a_version_that_stored_deks_need_is_not_retired() {
    let schema = Schema::new().await;
    let (service, acme) = (schema.service(1), tenant("acme"));
    let store = PostgresDekStore::new(service.clone(), acme.clone(), "orders").unwrap();
    store.rotate().await.unwrap();
    service.rotate_kek(&acme).await.unwrap();
    assert_eq!(kind(service.schedule_deletion(&acme, KekVersion(1)).await), INVALID);
    service.rewrap_stored_deks(&acme, &RewrapOptions::new(), |_| ()).await.unwrap();
    service.schedule_deletion(&acme, KekVersion(1)).await.unwrap();
}

#[tokio::test]
async fn versions_and_tenants_are_listed() {
    let schema = Schema::new().await;
    let service = schema.service(1);
    for name in ["c", "a", "b"] {
        service.create_kek(&tenant(name)).await.unwrap();
    }
    service.delete_kek(&tenant("never used")).await.unwrap();
    let first = service.tenants(None, 2).await.unwrap();
    assert_eq!(first, [tenant("a"), tenant("b")]);
    let rest = service.tenants(first.last(), 10).await.unwrap();
    assert_eq!(rest, [tenant("c"), tenant("never used")]);
    assert!(service.versions(&tenant("nobody")).await.unwrap().is_empty());
    let absent = service.schedule_deletion(&tenant("a"), KekVersion(7)).await;
    assert_eq!(kind(absent), KeyErrorKind::WrongKeyVersion);
}
