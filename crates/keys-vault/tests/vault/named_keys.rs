//! Named keys in KV: what is stored amiss, deleted, or about to be.

use std::sync::Arc;
use std::time::Duration;

use sealmq_crypto_core::{
    Clock, EncryptionKeyId, KeyErrorKind, KeyProvider, ManualClock, SystemClock,
};
use sealmq_keys_vault::{VaultKvConfig, VaultKvProvider};
use sealmq_test_kit::VaultAdmin;

use crate::support::{client, kind};

async fn store(admin: &VaultAdmin) -> (String, VaultKvProvider) {
    let mount = admin.mount_kv().await;
    let config = VaultKvConfig::new("orders").with_mount(&*mount);
    let client = client(admin.address(), admin.token()).await;
    (mount, VaultKvProvider::new(client, config).unwrap())
}

async fn write(admin: &VaultAdmin, mount: &str, data: &str) {
    let json = format!(r#"{{"data":{data}}}"#);
    admin.must("POST", &format!("{mount}/data/orders"), &json).await;
}

const KEY: &str = r#"{"key":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}"#;

fn id(version: u32) -> EncryptionKeyId {
    EncryptionKeyId::new(&format!("orders.v{version}")).unwrap()
}

#[tokio::test]
async fn what_is_no_key_is_malformed_and_not_shown() {
    let admin = VaultAdmin::from_env();
    let (mount, store) = store(&admin).await;
    let bad = [
        r#"{"other":"x"}"#,
        r#"{"key":7}"#,
        r#"{"key":"not*base64"}"#,
        r#"{"key":"c2hvcnQtaHVzaA=="}"#,
    ];
    for (n, data) in bad.into_iter().enumerate() {
        write(&admin, &mount, data).await;
        let error = store.get_key(&id(n as u32 + 1)).await.unwrap_err();
        assert_eq!(error.kind(), &KeyErrorKind::Malformed, "{data}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hush") && !shown.contains("c2hvcnQ"), "{shown}");
    }
}

#[tokio::test]
async fn a_store_without_the_secret_has_no_key() {
    let admin = VaultAdmin::from_env();
    let (_, store) = store(&admin).await;
    assert_eq!(kind(store.current_key_id().await), KeyErrorKind::KeyNotFound);
    assert_eq!(kind(store.get_key(&id(1)).await), KeyErrorKind::KeyNotFound);
    for odd in ["orders.v0", "orders.v01", "orders.v", "orders.v+1", "orders.v1 ", "other.v1"] {
        let odd = EncryptionKeyId::new(odd).unwrap();
        assert_eq!(kind(store.get_key(&odd).await), KeyErrorKind::KeyNotFound, "{odd}");
    }
}

#[tokio::test]
async fn a_deleted_current_version_leaves_no_current_key_and_a_destroyed_one_opens_nothing() {
    let admin = VaultAdmin::from_env();
    let (mount, store) = store(&admin).await;
    for _ in 0..3 {
        write(&admin, &mount, KEY).await;
    }
    let destroy = r#"{"versions":[1]}"#;
    admin.must("POST", &format!("{mount}/destroy/orders"), destroy).await;
    assert_eq!(store.valid_key_ids().await.unwrap(), [id(2), id(3)]);
    assert_eq!(kind(store.get_key(&id(1)).await), KeyErrorKind::KeyNotFound);
    admin.must("DELETE", &format!("{mount}/data/orders"), "").await;
    assert_eq!(kind(store.current_key_id().await), KeyErrorKind::KeyNotFound);
    assert_eq!(store.valid_key_ids().await.unwrap(), [id(2)]);
    store.get_key(&id(2)).await.unwrap();
}

#[tokio::test]
async fn a_version_that_will_be_deleted_opens_until_then() {
    let admin = VaultAdmin::from_env();
    let (mount, store) = store(&admin).await;
    let later = r#"{"delete_version_after":"1h"}"#;
    admin.must("POST", &format!("{mount}/metadata/orders"), later).await;
    write(&admin, &mount, KEY).await;
    let clock = Arc::new(ManualClock::at_unix_ms(SystemClock::new().unix_ms()));
    let store = store.with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
    assert_eq!(store.current_key_id().await.unwrap(), id(1));
    clock.advance(Duration::from_secs(3_700));
    assert_eq!(kind(store.current_key_id().await), KeyErrorKind::KeyNotFound);
    assert_eq!(store.valid_key_ids().await.unwrap(), []);
}
