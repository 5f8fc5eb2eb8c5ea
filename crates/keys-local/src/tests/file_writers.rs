//! Many writers of one keyring file, and writers that do not live to finish.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};
use sealmq_crypto_core::{KekVersion, KeyErrorKind, KeyManagementService, KeyProvider};

use super::{Folder, cheap, context, id, key, passphrase, refusal, tenant};
use crate::FileKeyring;

/// Where the child process of a test finds the keyring, and the first letter of its ids.
const CHILD_PATH: &str = "SEALMQ_KEYS_LOCAL_TEST_PATH";
const CHILD_LETTER: &str = "SEALMQ_KEYS_LOCAL_TEST_LETTER";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_tasks_rotate_and_no_rotation_is_lost() {
    let folder = Folder::new();
    let (one, two) = (folder.create().await, folder.open().await.unwrap());
    let rotations = (0..20).map(|n| {
        let keyring = if n % 2 == 0 { one.clone() } else { two.clone() };
        tokio::spawn(async move {
            keyring.rotate(id(&format!("k{n}"))).await?;
            keyring.rotate_kek(&tenant("acme")).await
        })
    });
    let versions: Vec<_> = join_all(rotations).await.into_iter().map(|r| r.unwrap()).collect();
    let versions: BTreeSet<KekVersion> = versions.into_iter().map(|v| v.unwrap()).collect();
    assert_eq!(versions, (1..=20).map(KekVersion).collect());
    let ids: BTreeSet<_> = one.valid_key_ids().await.unwrap().into_iter().collect();
    assert_eq!(ids, (0..20).map(|n| id(&format!("k{n}"))).collect());
    assert_eq!(folder.names(), ["keyring.json", "keyring.json.lock"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_write_at_once_lose_nothing() {
    let folder = Folder::new();
    let keyring = folder.create().await;
    let child = |letter: &str| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "tests::file_writers::child_that_rotates"])
            .env(CHILD_PATH, folder.path())
            .env(CHILD_LETTER, letter)
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let children = [child("x"), child("y"), child("z")];
    for n in 0..10 {
        keyring.rotate(id(&format!("p{n}"))).await.unwrap();
    }
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let ids: BTreeSet<_> = keyring.valid_key_ids().await.unwrap().into_iter().collect();
    let names = ["p", "x", "y", "z"].into_iter();
    let all = names.flat_map(|letter| (0..10).map(move |n| id(&format!("{letter}{n}"))));
    assert_eq!(ids, all.collect());
}

#[tokio::test]
#[ignore = "the child process of another test"]
async fn child_that_rotates() {
    let path = std::env::var_os(CHILD_PATH).expect("run by another test");
    let letter = std::env::var(CHILD_LETTER).unwrap();
    let keyring = FileKeyring::open(cheap(path.into()), passphrase("open sesame")).await.unwrap();
    for n in 0..10 {
        keyring.rotate(id(&format!("{letter}{n}"))).await.unwrap();
    }
}

#[tokio::test]
async fn a_change_is_seen_by_the_next_call_of_another_one() {
    let folder = Folder::new();
    let one = folder.create().await;
    let two = folder.open().await.unwrap();
    for n in 0..50 {
        one.rotate(id(&format!("k{n}"))).await.unwrap();
        assert_eq!(two.current_key_id().await.unwrap(), id(&format!("k{n}")));
    }
    let wrapped = one.encrypt_dek(&key(7), &context("acme")).await.unwrap();
    assert_eq!(two.decrypt_dek(&wrapped, &context("acme")).await.unwrap(), key(7));
    one.delete_kek(&tenant("acme")).await.unwrap();
    let error = refusal(two.decrypt_dek(&wrapped, &context("acme")).await);
    assert_eq!(error.kind(), &KeyErrorKind::KeyNotFound);
}

#[tokio::test]
async fn a_lock_that_is_held_is_waited_for_and_then_named() {
    let folder = Folder::new();
    folder.create().await;
    let wait = Duration::from_millis(200);
    let config = folder.config().with_lock_wait(wait);
    let keyring = FileKeyring::open(config, passphrase("open sesame")).await.unwrap();
    let before = folder.bytes();
    let lock = fs::File::open(folder.0.path().join("keyring.json.lock")).unwrap();
    lock.lock().unwrap();

    let started = Instant::now();
    let error = refusal(keyring.rotate(id("a")).await);
    assert!(started.elapsed() >= wait, "{:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    assert_eq!(error.kind(), &KeyErrorKind::Unavailable);
    assert!(error.to_string().contains("keyring.json.lock"), "{error}");
    assert_eq!(folder.bytes(), before);
    assert!(keyring.valid_key_ids().await.is_ok(), "reading needs no lock");

    let waiting = tokio::spawn({
        let keyring = keyring.clone();
        async move { keyring.rotate(id("b")).await }
    });
    tokio::time::sleep(wait / 4).await;
    lock.unlock().unwrap();
    waiting.await.unwrap().unwrap();
}

/// A crash between writing and renaming leaves the next version beside the good one.
#[tokio::test]
async fn what_a_crashed_writer_left_is_removed_and_does_no_harm() {
    let folder = Folder::new();
    let keyring = folder.create().await;
    keyring.rotate(id("a")).await.unwrap();
    let left = folder.0.path().join("keyring.json.tmp");
    for garbage in [&b""[..], b"{\"format\":", &folder.bytes()[..40]] {
        fs::write(&left, garbage).unwrap();
        let again = folder.open().await.unwrap();
        assert_eq!(again.valid_key_ids().await.unwrap().len(), keyring_len(&keyring).await);
        let next = format!("after-{}", garbage.len());
        again.rotate(id(&next)).await.unwrap();
        assert!(!left.exists(), "the next writer removes it");
    }
    assert_eq!(keyring_len(&keyring).await, 4);
}

async fn keyring_len(keyring: &FileKeyring) -> usize {
    keyring.valid_key_ids().await.unwrap().len()
}

/// A link in place of the temporary file would make the writer overwrite what it points to.
#[tokio::test]
async fn a_link_in_place_of_the_temporary_file_is_not_followed() {
    let folder = Folder::new();
    let keyring = folder.create().await;
    let precious = folder.0.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    std::os::unix::fs::symlink(&precious, folder.0.path().join("keyring.json.tmp")).unwrap();
    keyring.rotate(id("a")).await.unwrap();
    assert_eq!(fs::read(&precious).unwrap(), b"precious");
}

#[tokio::test]
async fn after_a_failed_write_the_old_file_stands_and_the_next_write_works() {
    let folder = Folder::new();
    let keyring = folder.create().await;
    keyring.rotate(id("a")).await.unwrap();
    let before = folder.bytes();
    // A folder in the way of the temporary file: it cannot be removed as a file, even by root.
    let in_the_way = folder.0.path().join("keyring.json.tmp");
    fs::create_dir(&in_the_way).unwrap();
    let error = refusal(keyring.rotate(id("b")).await);
    assert!(error.to_string().contains("keyring.json.tmp"), "{error}");
    assert_eq!(folder.bytes(), before);
    assert_eq!(keyring.current_key_id().await.unwrap(), id("a"));
    fs::remove_dir(&in_the_way).unwrap();
    keyring.rotate(id("b")).await.unwrap();
    assert_eq!(folder.open().await.unwrap().current_key_id().await.unwrap(), id("b"));
}

#[tokio::test]
async fn dropped_calls_hold_nobody_up() {
    let folder = Folder::new();
    let keyring = folder.create().await;
    for n in 0..20 {
        let rotation = keyring.rotate(id(&format!("dropped{n}")));
        let _ = tokio::time::timeout(Duration::from_micros(n * 50), rotation).await;
    }
    keyring.rotate(id("last")).await.unwrap();
    let again = folder.open().await.unwrap();
    let ids = again.valid_key_ids().await.unwrap();
    let found = try_join_all(ids.iter().map(|id| again.get_key(id))).await.unwrap();
    assert_eq!(found.len(), ids.len());
    assert!(ids.contains(&id("last")));
}

/// The lock file of an older program, or of an administrator: its mode does not matter.
#[tokio::test]
async fn the_lock_file_may_be_there_before_the_keyring() {
    let folder = Folder::new();
    let path = folder.0.path().join("keyring.json.lock");
    fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o666).open(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    folder.create().await.rotate(id("a")).await.unwrap();
}

/// An operator's `sudo` must not take the keyring away from the service that uses it.
#[tokio::test]
#[ignore = "needs root, to have another owner to keep"]
async fn a_keyring_that_root_changes_stays_its_owners() {
    let folder = Folder::new();
    let keyring = folder.create().await;
    fs::remove_file(folder.0.path().join("keyring.json.lock")).unwrap();
    std::os::unix::fs::chown(folder.path(), Some(12345), Some(54321)).unwrap();
    keyring.rotate(id("a")).await.unwrap();
    for name in folder.names() {
        let metadata = fs::metadata(folder.0.path().join(&name)).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (12345, 54321), "{name}");
        assert_eq!(metadata.mode() & 0o7777, 0o600, "{name}");
    }
}
