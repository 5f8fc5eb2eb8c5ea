//! What a keyring file keeps, and who may open it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::Duration;

use sealmq_crypto_core::{KekVersion, KeyErrorKind, KeyManagementService, KeyProvider};

use super::{Folder, chain, context, id, key, passphrase, refusal, tenant};
use crate::{FileKeyring, Passphrase, PassphraseCost};

#[tokio::test]
async fn everything_is_there_after_it_is_opened_again() {
    let folder = Folder::new();
    let keyring = folder.create().await;
    keyring.rotate(id("a")).await.unwrap();
    keyring.add(id("b"), key(8)).await.unwrap();
    keyring.rotate(id("c")).await.unwrap();
    keyring.retire(&id("a")).await.unwrap();
    keyring.make_current(&id("b")).await.unwrap();
    let wrapped = keyring.encrypt_dek(&key(7), &context("acme")).await.unwrap();
    keyring.rotate_kek(&tenant("acme")).await.unwrap();
    keyring.delete_kek(&tenant("gone")).await.unwrap();
    let fresh = keyring.get_key(&id("c")).await.unwrap();
    drop(keyring);

    let keyring = folder.open().await.unwrap();
    assert_eq!(keyring.current_key_id().await.unwrap(), id("b"));
    assert_eq!(keyring.valid_key_ids().await.unwrap(), [id("b"), id("c")]);
    assert_eq!(*keyring.get_key(&id("b")).await.unwrap(), key(8));
    assert_eq!(keyring.get_key(&id("c")).await.unwrap(), fresh);
    assert!(keyring.rotate(id("a")).await.is_err(), "a retired id stays taken");
    assert_eq!(keyring.decrypt_dek(&wrapped, &context("acme")).await.unwrap(), key(7));
    assert_eq!(keyring.tenants().await.unwrap(), [(tenant("acme"), KekVersion(2))]);
    let gone = refusal(keyring.generate_dek(&context("gone")).await);
    assert_eq!(gone.kind(), &KeyErrorKind::KeyNotFound);
}

#[tokio::test]
async fn a_new_keyring_has_no_current_key() {
    let folder = Folder::new();
    let keyring = folder.create().await;
    let error = refusal(keyring.current_key_id().await);
    assert_eq!(error.kind(), &KeyErrorKind::KeyNotFound);
    assert!(keyring.valid_key_ids().await.unwrap().is_empty());
}

#[tokio::test]
async fn creating_does_not_replace_a_file() {
    let folder = Folder::new();
    folder.create().await.rotate(id("a")).await.unwrap();
    let before = folder.bytes();
    let error = refusal(FileKeyring::create_in_the_clear(folder.config()).await);
    assert_eq!(error.kind(), &KeyErrorKind::InvalidInput { field: "path" });
    assert_eq!(folder.bytes(), before);
}

#[tokio::test]
async fn opening_does_not_make_a_file() {
    let folder = Folder::new();
    let error = refusal(folder.open().await);
    assert_eq!(error.kind(), &KeyErrorKind::Unavailable);
    assert!(error.to_string().contains("keyring.json"), "{error}");
    assert!(folder.names().is_empty());
    let empty = refusal(FileKeyring::open_in_the_clear("").await);
    assert_eq!(empty.kind(), &KeyErrorKind::InvalidInput { field: "path" });
}

#[tokio::test]
async fn a_wrong_passphrase_is_denied_and_says_so() {
    let folder = Folder::new();
    folder.create().await;
    let error = refusal(FileKeyring::open(folder.config(), passphrase("open barley")).await);
    assert_eq!(error.kind(), &KeyErrorKind::Denied);
    assert!(error.to_string().contains("wrong passphrase or damaged keyring"), "{error}");
    assert!(error.to_string().contains("keyring.json"), "{error}");
}

#[tokio::test]
async fn a_keyring_opens_only_with_the_protection_it_has() {
    let (sealed, clear) = (Folder::new(), Folder::new());
    sealed.create().await;
    FileKeyring::create_in_the_clear(clear.config()).await.unwrap();
    let error = refusal(FileKeyring::open_in_the_clear(sealed.config()).await);
    assert_eq!(error.kind(), &KeyErrorKind::Denied);
    assert!(error.to_string().contains("under a passphrase"), "{error}");
    let error = refusal(clear.open().await);
    assert_eq!(error.kind(), &KeyErrorKind::Denied);
    assert!(error.to_string().contains("in the clear"), "{error}");
}

#[tokio::test]
async fn the_files_are_for_their_owner_alone() {
    let folder = Folder::new();
    let keyring = FileKeyring::create_in_the_clear(folder.config()).await.unwrap();
    for _ in 0..2 {
        for name in folder.names() {
            let mode = fs::metadata(folder.0.path().join(&name)).unwrap().mode() & 0o7777;
            assert_eq!(mode, 0o600, "{name}");
        }
        keyring.rotate(id("a")).await.ok(); // and after a change
    }
}

#[tokio::test]
async fn a_file_that_others_may_read_is_refused_with_the_remedy() {
    let folder = Folder::new();
    FileKeyring::create_in_the_clear(folder.config()).await.unwrap();
    for mode in [0o640, 0o604, 0o644, 0o620, 0o602, 0o610, 0o601, 0o666] {
        fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
        let error = refusal(FileKeyring::open_in_the_clear(folder.config()).await);
        assert_eq!(error.kind(), &KeyErrorKind::Denied, "{mode:o}");
        let text = error.to_string();
        assert!(text.contains(&format!("{mode:04o}")) && text.contains("chmod 600"), "{text}");
    }
    for mode in [0o600, 0o400] {
        fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
        assert!(FileKeyring::open_in_the_clear(folder.config()).await.is_ok(), "{mode:o}");
    }
}

/// What is wrong with the file is no message's fault: messages wait until it is mended.
#[tokio::test]
async fn an_open_keyring_whose_file_went_bad_is_unavailable_until_it_is_mended() {
    let folder = Folder::new();
    let keyring = folder.create().await;
    keyring.rotate(id("a")).await.unwrap();
    let good = folder.bytes();

    fs::set_permissions(folder.path(), Permissions::from_mode(0o644)).unwrap();
    let error = refusal(keyring.get_key(&id("a")).await);
    assert_eq!(error.kind(), &KeyErrorKind::Unavailable);
    assert!(chain(&error).contains("chmod 600"), "{}", chain(&error));
    fs::set_permissions(folder.path(), Permissions::from_mode(0o600)).unwrap();
    assert!(keyring.get_key(&id("a")).await.is_ok());

    fs::write(folder.path(), b"{}").unwrap();
    assert_eq!(refusal(keyring.get_key(&id("a")).await).kind(), &KeyErrorKind::Unavailable);
    assert!(keyring.rotate(id("b")).await.is_err(), "nothing is saved over what is not known");
    assert_eq!(folder.bytes(), b"{}");
    fs::remove_file(folder.path()).unwrap();
    assert_eq!(refusal(keyring.get_key(&id("a")).await).kind(), &KeyErrorKind::Unavailable);

    fs::write(folder.path(), good).unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o600)).unwrap();
    assert!(keyring.get_key(&id("a")).await.is_ok());
}

#[tokio::test]
async fn a_file_under_another_passphrase_is_not_taken_over() {
    let (folder, other) = (Folder::new(), Folder::new());
    let keyring = folder.create().await;
    FileKeyring::create(other.config(), passphrase("another")).await.unwrap();
    fs::rename(other.path(), folder.path()).unwrap();
    let error = refusal(keyring.valid_key_ids().await);
    assert_eq!(error.kind(), &KeyErrorKind::Unavailable);
    FileKeyring::create_in_the_clear(other.config()).await.unwrap();
    fs::rename(other.path(), folder.path()).unwrap();
    assert!(chain(&refusal(keyring.valid_key_ids().await)).contains("its protection"));
}

#[tokio::test]
async fn a_link_leads_to_the_file_and_stays_a_link() {
    let folder = Folder::new();
    folder.create().await;
    let link = folder.0.path().join("link.json");
    symlink("keyring.json", &link).unwrap();
    let through = FileKeyring::open(link.as_path(), passphrase("open sesame")).await.unwrap();
    through.rotate(id("a")).await.unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(folder.open().await.unwrap().current_key_id().await.unwrap(), id("a"));
    assert_eq!(folder.names(), ["keyring.json", "keyring.json.lock", "link.json"]);
}

#[tokio::test]
async fn without_automatic_creation_nothing_is_written_on_first_use() {
    let folder = Folder::new();
    folder.create().await;
    let before = folder.bytes();
    let config = folder.config().with_auto_create(false);
    let keyring = FileKeyring::open(config, passphrase("open sesame")).await.unwrap();
    for error in [
        refusal(keyring.generate_dek(&context("acme")).await),
        refusal(keyring.rotate_kek(&tenant("acme")).await),
    ] {
        assert_eq!(error.kind(), &KeyErrorKind::Denied);
    }
    assert_eq!(folder.bytes(), before);
    assert_eq!(keyring.create_kek(&tenant("acme")).await.unwrap(), KekVersion(1));
    assert!(keyring.generate_dek(&context("acme")).await.is_ok());
}

#[tokio::test]
async fn a_change_that_changes_nothing_writes_nothing() {
    let folder = Folder::new();
    let keyring = folder.create().await;
    keyring.rotate(id("a")).await.unwrap();
    keyring.create_kek(&tenant("acme")).await.unwrap();
    keyring.delete_kek(&tenant("gone")).await.unwrap();
    let before = folder.bytes();
    keyring.make_current(&id("a")).await.unwrap();
    keyring.create_kek(&tenant("acme")).await.unwrap();
    keyring.delete_kek(&tenant("gone")).await.unwrap();
    assert_eq!(folder.bytes(), before);
}

#[tokio::test]
async fn a_wrapped_dek_opens_in_any_service_of_the_same_file_and_no_other() {
    let (folder, other) = (Folder::new(), Folder::new());
    let (one, stranger) = (folder.create().await, other.create().await);
    let two = folder.open().await.unwrap();
    let wrapped = one.encrypt_dek(&key(7), &context("acme")).await.unwrap();
    stranger.create_kek(&tenant("acme")).await.unwrap();
    assert_eq!(two.decrypt_dek(&wrapped, &context("acme")).await.unwrap(), key(7));
    let error = refusal(stranger.decrypt_dek(&wrapped, &context("acme")).await);
    assert_eq!(error.kind(), &KeyErrorKind::ContextMismatch);
}

#[test]
fn costs_outside_of_their_bounds_are_refused_by_name() {
    for (memory, iterations, lanes, field) in [
        (19 * 1024 - 1, 2, 1, "memory_kib"),
        (1024 * 1024 + 1, 2, 1, "memory_kib"),
        (19 * 1024, 1, 1, "iterations"),
        (19 * 1024, 11, 1, "iterations"),
        (19 * 1024, 2, 0, "parallelism"),
        (19 * 1024, 2, 5, "parallelism"),
    ] {
        let error = PassphraseCost::new(memory, iterations, lanes).unwrap_err();
        assert_eq!(error.kind(), &KeyErrorKind::InvalidInput { field });
    }
    let default = PassphraseCost::default();
    let same =
        PassphraseCost::new(default.memory_kib(), default.iterations(), default.parallelism());
    assert_eq!(same.unwrap(), default);
}

#[test]
fn an_empty_passphrase_is_refused() {
    let error = refusal(Passphrase::new(String::new()));
    assert_eq!(error.kind(), &KeyErrorKind::InvalidInput { field: "passphrase" });
}

#[tokio::test]
async fn the_name_tells_files_apart_and_nothing_is_remembered() {
    let folder = Folder::new();
    let keyring = folder.create().await;
    assert_eq!(keyring.name(), format!("file:{}", folder.path().display()));
    assert_eq!(keyring.path(), folder.path());
    assert_eq!(keyring.refresh_interval(), Duration::ZERO);
}
