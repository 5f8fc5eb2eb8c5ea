//! What a keyring file and its errors must not give away.

use sealmq_crypto_core::{KeyManagementService, KeyProvider};

use super::{Folder, assert_shows_no_key, chain, context, id, key, passphrase, refusal};
use crate::FileKeyring;

#[tokio::test]
async fn under_a_passphrase_the_file_shows_no_key_no_id_and_no_tenant() {
    let folder = Folder::new();
    let keyring = folder.create().await;
    keyring.rotate(id("orders-key")).await.unwrap();
    keyring.add(id("imported-key"), key(0xab)).await.unwrap();
    keyring.generate_dek(&context("acme-tenant")).await.unwrap();
    let fresh = keyring.get_key(&id("orders-key")).await.unwrap();
    let file = folder.bytes();
    assert_shows_no_key("the file", &file, &[&fresh, &key(0xab)]);
    let text = String::from_utf8(file).unwrap();
    for name in ["orders-key", "imported-key", "acme-tenant", "open sesame"] {
        assert!(!text.contains(name), "{name} stands in the file");
    }
}

/// The counterpart, which shows that the search would find a key.
#[tokio::test]
async fn in_the_clear_the_key_stands_in_the_file() {
    let folder = Folder::new();
    let keyring = FileKeyring::create_in_the_clear(folder.config()).await.unwrap();
    keyring.add(id("imported-key"), key(0xab)).await.unwrap();
    let file = folder.bytes();
    let found = |spelling: Vec<u8>| file.windows(spelling.len()).any(|w| w == spelling);
    assert!(super::spellings(&key(0xab)).into_iter().any(found));
}

#[tokio::test]
async fn no_two_files_of_the_same_keys_are_alike() {
    let folder = Folder::new();
    let keyring = folder.create().await;
    let mut seen = Vec::new();
    for round in 0..3 {
        keyring.rotate(id(&format!("k{round}"))).await.unwrap();
        let document: serde_json::Value = serde_json::from_slice(&folder.bytes()).unwrap();
        seen.push(document["aead"]["nonce"].as_str().unwrap().to_owned());
    }
    seen.dedup();
    assert_eq!(seen.len(), 3, "each version has a nonce of its own");
    let other = Folder::new();
    other.create().await;
    let salt = |folder: &Folder| {
        let document: serde_json::Value = serde_json::from_slice(&folder.bytes()).unwrap();
        document["kdf"]["salt"].clone()
    };
    assert_ne!(salt(&folder), salt(&other));
}

#[tokio::test]
async fn debug_shows_the_path_and_no_secret() {
    let folder = Folder::new();
    let keyring = folder.create().await;
    keyring.add(id("a"), key(0xab)).await.unwrap();
    let shown = format!("{keyring:?} {:?}", folder.config());
    assert!(shown.contains("keyring.json"), "{shown}");
    assert!(!shown.contains("sesame"), "{shown}");
    assert_shows_no_key("Debug", shown.as_bytes(), &[&key(0xab)]);
}

/// serde's own errors quote what they found: a key in the wrong place would be in the log.
#[tokio::test]
async fn an_error_about_a_damaged_file_quotes_nothing_of_it() {
    let folder = Folder::new();
    let keyring = FileKeyring::create_in_the_clear(folder.config()).await.unwrap();
    keyring.add(id("a"), key(0xab)).await.unwrap();
    let text = String::from_utf8(folder.bytes()).unwrap();
    let shown_key = "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=";
    assert!(text.contains(shown_key));
    let in_the_wrong_place = [
        ("\"retired_keys\": []", format!("\"retired_keys\": {shown_key:?}")),
        ("\"retired_keys\": []", format!("\"retired_keys\": [], {shown_key:?}: 1")),
        ("\"version\": 1", format!("\"version\": {shown_key:?}")),
        ("\"protection\": \"none\"", format!("\"protection\": {shown_key:?}")),
        ("\"key\": \"", "\"key\": \"q".to_owned()),
    ];
    for (from, to) in in_the_wrong_place {
        assert!(text.contains(from), "{from}");
        std::fs::write(folder.path(), text.replace(from, &to)).unwrap();
        let error = refusal(FileKeyring::open_in_the_clear(folder.config()).await);
        let shown = format!("{error:?} {}", chain(&error));
        assert_shows_no_key("the error", shown.as_bytes(), &[&key(0xab)]);
    }
}

#[tokio::test]
async fn a_wrong_passphrase_stands_in_no_error() {
    let folder = Folder::new();
    folder.create().await;
    let error = refusal(FileKeyring::open(folder.config(), passphrase("hunter2")).await);
    assert!(!format!("{error:?} {}", chain(&error)).contains("hunter2"));
}
