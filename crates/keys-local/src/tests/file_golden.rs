//! Keyring files that a second implementation made from the documentation, kept for ever.

use std::os::unix::fs::PermissionsExt;

use sealmq_crypto_core::{KekVersion, KeyErrorKind, KeyManagementService, KeyProvider};

use super::{Folder, context, id, key, passphrase, refusal, tenant};
use crate::FileKeyring;

const IN_THE_CLEAR: &str = include_str!("golden/v1-in-the-clear.json");
const BY_PASSPHRASE: &str = include_str!("golden/v1-passphrase.json");
const WRAPPED_DEK: &str = include_str!("golden/v1-wrapped-dek.json");

fn folder_with(text: &str) -> Folder {
    let folder = Folder::new();
    std::fs::write(folder.path(), text).unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
    folder
}

async fn check_golden(keyring: FileKeyring) {
    assert_eq!(keyring.current_key_id().await.unwrap(), id("orders-2"));
    assert_eq!(keyring.valid_key_ids().await.unwrap(), [id("orders-1"), id("orders-2")]);
    assert_eq!(*keyring.get_key(&id("orders-1")).await.unwrap(), key(0x11));
    assert_eq!(*keyring.get_key(&id("orders-2")).await.unwrap(), key(0x22));
    let taken = keyring.add(id("orders-0"), key(1)).await.unwrap_err();
    assert_eq!(taken.kind(), &KeyErrorKind::InvalidInput { field: "key_id" });
    assert_eq!(keyring.tenants().await.unwrap(), [(tenant("acme \"ü\""), KekVersion(2))]);
    let shredded = refusal(keyring.generate_dek(&context("gone")).await);
    assert_eq!(shredded.kind(), &KeyErrorKind::KeyNotFound);

    let wrapped: serde_json::Value = serde_json::from_str(WRAPPED_DEK).unwrap();
    let wrapped = hex::decode(wrapped["wrapped"].as_str().unwrap()).unwrap();
    let dek = keyring.decrypt_dek(&wrapped, &context("acme \"ü\"")).await.unwrap();
    assert_eq!(dek, key(0xde));
}

#[tokio::test]
async fn the_golden_keyring_in_the_clear_opens() {
    let folder = folder_with(IN_THE_CLEAR);
    check_golden(FileKeyring::open_in_the_clear(folder.config()).await.unwrap()).await;
}

#[tokio::test]
async fn the_golden_keyring_under_a_passphrase_opens() {
    let folder = folder_with(BY_PASSPHRASE);
    let passphrase = passphrase("correct horse battery staple");
    check_golden(FileKeyring::open(folder.config(), passphrase).await.unwrap()).await;
}

#[tokio::test]
async fn a_keyring_keeps_its_costs_when_it_is_changed() {
    let folder = folder_with(BY_PASSPHRASE);
    let open = || passphrase("correct horse battery staple");
    let keyring = FileKeyring::open(folder.path(), open()).await.unwrap();
    keyring.rotate(id("orders-3")).await.unwrap();
    let text = String::from_utf8(folder.bytes()).unwrap();
    assert!(text.contains("\"memory_kib\": 19456"), "{text}");
    let again = FileKeyring::open(folder.path(), open()).await.unwrap();
    assert_eq!(again.current_key_id().await.unwrap(), id("orders-3"));
}
