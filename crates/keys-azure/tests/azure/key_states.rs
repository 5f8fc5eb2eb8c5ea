//! Keys that are switched off, expired, deleted, restored; and how versions are counted.

use std::time::{SystemTime, UNIX_EPOCH};

use sealmq_crypto_core::{KekVersion, KeyErrorKind, KeyManagementService};
use sealmq_keys_azure::AzureKeyVaultService;

use crate::support::{
    ALL, VAULT, config, connection, context, counts, key_of, service, tenant, version_of,
};

async fn update(key: &str, version: &str, attributes: &str) {
    let json = format!(r#"{{"attributes": {attributes}}}"#);
    VAULT.operate("PATCH", &format!("/keys/{key}/{version}"), &json).await;
}

#[tokio::test]
async fn a_disabled_version_wraps_and_opens_nothing_until_it_is_enabled() {
    let tenant = tenant();
    let service = service(ALL).await;
    let made = service.generate_dek(&context(&tenant)).await.unwrap();
    let (key, version) = (key_of(&tenant), version_of(&made.wrapped));
    update(&key, &version, r#"{"enabled": false}"#).await;
    let error = service.generate_dek(&context(&tenant)).await.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::Disabled);
    let error = service.decrypt_dek(&made.wrapped, &context(&tenant)).await.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::Disabled);
    assert!(!error.is_retryable());
    // A new version wraps; the old one stays off.
    assert_eq!(service.rotate_kek(&tenant).await.unwrap(), KekVersion(2));
    assert!(service.generate_dek(&context(&tenant)).await.is_ok());
    assert!(service.decrypt_dek(&made.wrapped, &context(&tenant)).await.is_err());
    update(&key, &version, r#"{"enabled": true}"#).await;
    assert!(service.decrypt_dek(&made.wrapped, &context(&tenant)).await.unwrap() == made.dek);
}

#[tokio::test]
async fn an_expired_version_opens_and_wraps_nothing() {
    let tenant = tenant();
    let service = service(ALL).await;
    let made = service.generate_dek(&context(&tenant)).await.unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let expired = format!(r#"{{"exp": {}}}"#, now - 10);
    update(&key_of(&tenant), &version_of(&made.wrapped), &expired).await;
    let error = service.generate_dek(&context(&tenant)).await.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::Disabled);
    assert!(service.decrypt_dek(&made.wrapped, &context(&tenant)).await.is_ok());
}

#[tokio::test]
async fn without_a_purge_a_shredded_key_can_be_brought_back() {
    let tenant = tenant();
    let service =
        AzureKeyVaultService::new(config(connection(ALL).await).with_purge(false)).unwrap();
    let made = service.generate_dek(&context(&tenant)).await.unwrap();
    for _ in 0..2 {
        service.delete_kek(&tenant).await.unwrap();
        let error = service.decrypt_dek(&made.wrapped, &context(&tenant)).await.unwrap_err();
        assert_eq!(*error.kind(), KeyErrorKind::KeyNotFound);
        let error = service.generate_dek(&context(&tenant)).await.unwrap_err();
        assert_eq!(*error.kind(), KeyErrorKind::KeyNotFound);
    }
    let deleted = format!("/deletedkeys/{}", key_of(&tenant));
    VAULT.operate("POST", &format!("{deleted}/recover"), "").await;
    assert!(service.decrypt_dek(&made.wrapped, &context(&tenant)).await.unwrap() == made.dek);
}

#[tokio::test]
async fn a_purged_key_is_gone_and_its_tombstone_keeps_the_name() {
    let tenant = tenant();
    let service = service(ALL).await;
    let made = service.generate_dek(&context(&tenant)).await.unwrap();
    service.delete_kek(&tenant).await.unwrap();
    let key = key_of(&tenant);
    assert_eq!(counts("keys/purge", &key).await["204"], 1);
    let tombstone = VAULT.operate("GET", &format!("/keys/{key}-shredded"), "").await;
    assert!(tombstone.contains(r#""enabled": false"#), "{tombstone}");
    for _ in 0..2 {
        let error = service.generate_dek(&context(&tenant)).await.unwrap_err();
        assert_eq!(*error.kind(), KeyErrorKind::KeyNotFound);
        let error = service.decrypt_dek(&made.wrapped, &context(&tenant)).await.unwrap_err();
        assert_eq!(*error.kind(), KeyErrorKind::KeyNotFound);
    }
    // Nothing was created in its place: the first use alone.
    assert_eq!(counts("keys/create", &key).await["200"], 1);
}

/// A version that somebody adds by hand, or the vault by its rotation policy, wraps from then on.
#[tokio::test]
async fn versions_of_others_count() {
    let tenant = tenant();
    let service = service(ALL).await;
    let old = service.generate_dek(&context(&tenant)).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    VAULT.operate("POST", &format!("/keys/{}/rotate", key_of(&tenant)), "").await;
    let new = service.generate_dek(&context(&tenant)).await.unwrap();
    assert_eq!(new.wrapped[1..5], 2u32.to_be_bytes());
    assert!(service.decrypt_dek(&old.wrapped, &context(&tenant)).await.unwrap() == old.dek);
    assert_eq!(service.rotate_kek(&tenant).await.unwrap(), KekVersion(3));
}

/// A list of versions has several pages then.
#[tokio::test]
async fn many_versions_are_counted_to_the_last() {
    let tenant = tenant();
    let service = service(ALL).await;
    service.generate_dek(&context(&tenant)).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    for _ in 0..30 {
        VAULT.operate("POST", &format!("/keys/{}/rotate", key_of(&tenant)), "").await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert_eq!(service.rotate_kek(&tenant).await.unwrap(), KekVersion(32));
}
