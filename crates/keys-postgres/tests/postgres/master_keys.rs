//! The master key: another one, an earlier one, and one that stays in another key service.

use std::sync::Arc;

use sealmq_crypto_core::{EncryptionKeyId, KeyErrorKind, KeyManagementService};
use sealmq_keys_postgres::{MasterKey, MasterKeys, PostgresKeyService, RewrapOptions};

use crate::support::{Schema, context, kind, master, tenant};

#[tokio::test]
async fn another_master_key_opens_nothing_and_blames_no_message() {
    let schema = Schema::new().await;
    let (service, context) = (schema.service(1), context("acme"));
    let made = service.generate_dek(&context).await.unwrap();
    // Under another id it is not configured; under the same id it is the wrong one.
    let same_id = EncryptionKeyId::new("master-1").unwrap();
    let key = sealmq_crypto_core::EncryptionKey::from_slice(&[2; 32]).unwrap();
    let wrong = schema.service_under(MasterKeys::new(MasterKey::new(same_id, key)));
    for service in [schema.service(2), wrong] {
        let error = service.decrypt_dek(&made.wrapped, &context).await.unwrap_err();
        assert_eq!(*error.kind(), KeyErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("master key"), "{error}");
        assert_eq!(kind(service.generate_dek(&context).await), KeyErrorKind::Denied);
    }
}

#[tokio::test]
async fn an_earlier_master_key_opens_and_the_current_one_wraps() {
    let schema = Schema::new().await;
    let (old, context) = (schema.service(1), context("acme"));
    let made = old.generate_dek(&context).await.unwrap();
    let both = MasterKeys::new(master(2)).with_earlier(master(1)).unwrap();
    let both = schema.service_under(both);
    assert!(both.decrypt_dek(&made.wrapped, &context).await.unwrap() == made.dek);
    both.rotate_kek(context.tenant()).await.unwrap();
    let records = both.versions(context.tenant()).await.unwrap();
    let masters: Vec<_> = records.iter().map(|record| record.master_key_id.as_str()).collect();
    assert_eq!(masters, ["master-1", "master-2"]);

    let done = both.rewrap_keks(&RewrapOptions::new(), |_| ()).await.unwrap();
    assert_eq!((done.rewrapped, done.refused, done.finished), (1, 0, true));
    assert_eq!(both.keks_to_rewrap().await.unwrap(), 0);
    let new = schema.service(2);
    assert!(new.decrypt_dek(&made.wrapped, &context).await.unwrap() == made.dek);
    assert_eq!(kind(old.decrypt_dek(&made.wrapped, &context).await), KeyErrorKind::Denied);
}

/// A master key in another service: here the key service of another schema.
async fn in_service(other: &Schema) -> (PostgresKeyService, MasterKey) {
    let service = other.service(9);
    let id = EncryptionKeyId::new("hsm-1").unwrap();
    let remote: Arc<dyn KeyManagementService> = Arc::new(service.clone());
    (service, MasterKey::in_service(id, remote, context("sealmq-master")))
}

#[tokio::test]
async fn a_master_key_may_stay_in_another_service() {
    let (schema, other) = (Schema::new().await, Schema::new().await);
    let (_, remote) = in_service(&other).await;
    let service = schema.service_under(MasterKeys::new(remote));
    let acme = context("acme");
    let made = service.generate_dek(&acme).await.unwrap();
    assert!(service.decrypt_dek(&made.wrapped, &acme).await.unwrap() == made.dek);

    // The row is bound to its place whatever the service binds.
    service.create_kek(&tenant("evil")).await.unwrap();
    schema
        .run(
            "UPDATE TABLES.kms_keys t SET encrypted_key = s.encrypted_key FROM TABLES.kms_keys s
        WHERE t.tenant_id = 'acme' AND s.tenant_id = 'evil'",
        )
        .await;
    assert_eq!(kind(service.decrypt_dek(&made.wrapped, &acme).await), KeyErrorKind::Denied);
}

#[tokio::test]
async fn rows_move_into_a_service_and_out_again() {
    let (schema, other) = (Schema::new().await, Schema::new().await);
    let (_, remote) = in_service(&other).await;
    let acme = context("acme");
    let made = schema.service(1).generate_dek(&acme).await.unwrap();
    let into = MasterKeys::new(remote).with_earlier(master(1)).unwrap();
    let into = schema.service_under(into);
    assert_eq!(into.rewrap_keks(&RewrapOptions::new(), |_| ()).await.unwrap().rewrapped, 1);
    assert!(into.decrypt_dek(&made.wrapped, &acme).await.unwrap() == made.dek);
    let (_, remote) = in_service(&other).await;
    let back = schema.service_under(MasterKeys::new(master(1)).with_earlier(remote).unwrap());
    assert_eq!(back.rewrap_keks(&RewrapOptions::new(), |_| ()).await.unwrap().rewrapped, 1);
    assert!(schema.service(1).decrypt_dek(&made.wrapped, &acme).await.unwrap() == made.dek);
}

/// What the service of the master key refuses is no fault of the message; what may pass stays so.
#[tokio::test]
async fn a_master_key_that_is_gone_is_denied_and_one_out_of_reach_is_retryable() {
    let (schema, other) = (Schema::new().await, Schema::new().await);
    let (theirs, remote) = in_service(&other).await;
    let service = schema.service_under(MasterKeys::new(remote));
    let acme = context("acme");
    let made = service.generate_dek(&acme).await.unwrap();
    theirs.schedule_tenant_deletion(&tenant("sealmq-master")).await.unwrap();
    assert_eq!(kind(service.decrypt_dek(&made.wrapped, &acme).await), KeyErrorKind::Denied);
    theirs.cancel_deletion(&tenant("sealmq-master")).await.unwrap();
    other.run("ALTER TABLE TABLES.kms_keys RENAME TO hidden").await;
    let error = service.decrypt_dek(&made.wrapped, &acme).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
}

#[tokio::test]
async fn nothing_shows_a_master_key() {
    let schema = Schema::new().await;
    let service = schema.service(0x5a);
    let shown = format!("{service:?} {:?}", master(0x5a));
    for secret in ["90, 90, 90", "5a5a5a", "ZZZZZZ", "WlpaWlpa"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(shown.contains("master-90"));
}
