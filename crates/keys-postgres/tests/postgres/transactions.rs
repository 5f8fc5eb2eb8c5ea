//! The key service in a transaction of the caller's.

use sealmq_crypto_core::{KekVersion, KeyErrorKind, KeyManagementService};
use tokio_postgres::IsolationLevel;

use crate::support::{Schema, context, kind, superuser, tenant};

#[tokio::test]
async fn a_rollback_leaves_nothing() {
    let schema = Schema::new().await;
    let (service, context) = (schema.service(1), context("acme"));
    let mut client = superuser().await;
    let tx = client.transaction().await.unwrap();
    let keys = service.in_transaction(&tx);
    let made = keys.generate_dek(&context).await.unwrap();
    assert!(keys.decrypt_dek(&made.wrapped, &context).await.unwrap() == made.dek);
    assert_eq!(keys.rotate_kek(context.tenant()).await.unwrap(), KekVersion(2));
    let rewrapped = keys.rewrap_dek(&made.wrapped, &context).await.unwrap();
    assert!(keys.decrypt_dek(&rewrapped, &context).await.unwrap() == made.dek);
    // Nobody else sees it.
    assert_eq!(kind(service.decrypt_dek(&made.wrapped, &context).await), KeyErrorKind::KeyNotFound);
    tx.rollback().await.unwrap();
    assert_eq!(schema.number("SELECT count(*) FROM TABLES.kms_keys").await, 0);
    assert_eq!(service.rotate_kek(context.tenant()).await.unwrap(), KekVersion(1));
}

#[tokio::test]
async fn a_rolled_back_deletion_deletes_nothing() {
    let schema = Schema::new().await;
    let (service, context) = (schema.service(1), context("acme"));
    let made = service.generate_dek(&context).await.unwrap();
    let mut client = superuser().await;
    let tx = client.transaction().await.unwrap();
    let keys = service.in_transaction(&tx);
    keys.delete_kek(context.tenant()).await.unwrap();
    assert_eq!(kind(keys.decrypt_dek(&made.wrapped, &context).await), KeyErrorKind::KeyNotFound);
    drop(tx);
    assert!(service.decrypt_dek(&made.wrapped, &context).await.unwrap() == made.dek);
}

#[tokio::test]
async fn a_commit_makes_it_true_for_all() {
    let schema = Schema::new().await;
    let (service, context) = (schema.service(1), context("acme"));
    let mut client = superuser().await;
    let tx = client.transaction().await.unwrap();
    let made = service.in_transaction(&tx).generate_dek(&context).await.unwrap();
    tx.commit().await.unwrap();
    assert!(service.decrypt_dek(&made.wrapped, &context).await.unwrap() == made.dek);
}

/// Whoever uses the tenant first waits for the other's transaction, and then shares its key.
#[tokio::test]
async fn a_first_use_waits_for_a_transaction_that_makes_the_key() {
    let schema = Schema::new().await;
    let (service, context) = (schema.service(1), context("acme"));
    let mut client = superuser().await;
    let tx = client.transaction().await.unwrap();
    let made = service.in_transaction(&tx).generate_dek(&context).await.unwrap();
    let waiting = tokio::spawn({
        let (service, context) = (service.clone(), context.clone());
        async move { service.generate_dek(&context).await }
    });
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(!waiting.is_finished(), "it waits");
    tx.commit().await.unwrap();
    let theirs = waiting.await.unwrap().unwrap();
    for made in [made, theirs] {
        assert!(service.decrypt_dek(&made.wrapped, &context).await.unwrap() == made.dek);
    }
    assert_eq!(schema.number("SELECT count(*) FROM TABLES.kms_keys").await, 1);
}

/// Above READ COMMITTED the server cannot show what was committed meanwhile: it is an error that
/// passes, and no second key.
#[tokio::test]
async fn a_first_use_at_the_same_time_above_read_committed_is_retryable() {
    let schema = Schema::new().await;
    let (service, context) = (schema.service(1), context("acme"));
    for level in [IsolationLevel::RepeatableRead, IsolationLevel::Serializable] {
        let tenant = tenant(&format!("{level:?}"));
        let context = sealmq_crypto_core::WrapContext::new(None, tenant, context.scope());
        let mut client = superuser().await;
        let tx = client.build_transaction().isolation_level(level).start().await.unwrap();
        tx.query("SELECT 1", &[]).await.unwrap(); // the snapshot is taken here
        service.generate_dek(&context).await.unwrap();
        let error = service.in_transaction(&tx).generate_dek(&context).await.unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
    }
    assert_eq!(schema.number("SELECT max(key_version) FROM TABLES.kms_keys").await, 1);
}

/// The caller's search path leads elsewhere, to tables with the same names.
#[tokio::test]
async fn the_search_path_of_the_caller_does_not_matter() {
    let (schema, other) = (Schema::new().await, Schema::new().await);
    let (service, context) = (schema.service(1), context("acme"));
    let mut client = superuser().await;
    client.batch_execute(&format!("SET search_path = {}", other.name)).await.unwrap();
    let tx = client.transaction().await.unwrap();
    service.in_transaction(&tx).generate_dek(&context).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(schema.number("SELECT count(*) FROM TABLES.kms_keys").await, 1);
    assert_eq!(other.number("SELECT count(*) FROM TABLES.kms_keys").await, 0);
}
