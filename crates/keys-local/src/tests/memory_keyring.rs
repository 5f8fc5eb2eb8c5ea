//! Named keys in memory.

use std::time::Duration;

use sealmq_crypto_core::{KeyErrorKind, KeyProvider};

use super::{assert_shows_no_key, id, key, refusal};
use crate::MemoryKeyring;

#[tokio::test]
async fn the_first_key_is_current_and_the_only_one() {
    let keyring = MemoryKeyring::with_key(id("a"), key(7));
    assert_eq!(keyring.current_key_id().await.unwrap(), id("a"));
    assert_eq!(keyring.valid_key_ids().await.unwrap(), [id("a")]);
    assert_eq!(*keyring.get_key(&id("a")).await.unwrap(), key(7));
}

#[tokio::test]
async fn generated_keys_differ() {
    let (one, two) =
        (MemoryKeyring::generate(id("a")).unwrap(), MemoryKeyring::generate(id("a")).unwrap());
    assert_ne!(one.get_key(&id("a")).await.unwrap(), two.get_key(&id("a")).await.unwrap());
}

#[tokio::test]
async fn a_rotation_seals_anew_and_the_old_key_still_opens() {
    let keyring = MemoryKeyring::with_key(id("a"), key(7));
    keyring.rotate(id("b")).unwrap();
    assert_eq!(keyring.current_key_id().await.unwrap(), id("b"));
    assert_eq!(*keyring.get_key(&id("a")).await.unwrap(), key(7));
    assert_ne!(*keyring.get_key(&id("b")).await.unwrap(), key(7));
}

#[test]
fn an_id_names_one_key_for_ever() {
    let keyring = MemoryKeyring::with_key(id("a"), key(7));
    keyring.rotate(id("b")).unwrap();
    keyring.retire(&id("a")).unwrap();
    for taken in ["a", "b"] {
        for error in [keyring.rotate(id(taken)), keyring.add(id(taken), key(9))] {
            let error = error.unwrap_err();
            assert_eq!(error.kind(), &KeyErrorKind::InvalidInput { field: "key_id" });
            assert!(error.to_string().contains(taken), "{error}");
        }
    }
}

#[tokio::test]
async fn a_key_that_was_added_opens_and_does_not_seal_until_it_is_made_current() {
    let keyring = MemoryKeyring::with_key(id("a"), key(7));
    keyring.add(id("b"), key(8)).unwrap();
    assert_eq!(keyring.current_key_id().await.unwrap(), id("a"));
    assert_eq!(*keyring.get_key(&id("b")).await.unwrap(), key(8));
    keyring.make_current(&id("b")).unwrap();
    assert_eq!(keyring.current_key_id().await.unwrap(), id("b"));
    let unknown = keyring.make_current(&id("c")).unwrap_err();
    assert_eq!(unknown.kind(), &KeyErrorKind::KeyNotFound);
}

#[tokio::test]
async fn a_retired_key_opens_no_more() {
    let keyring = MemoryKeyring::with_key(id("a"), key(7));
    keyring.rotate(id("b")).unwrap();
    keyring.retire(&id("a")).unwrap();
    keyring.retire(&id("a")).unwrap();
    assert_eq!(keyring.ids(), [id("b")]);
    for error in [
        refusal(keyring.get_key(&id("a")).await),
        keyring.make_current(&id("a")).unwrap_err(),
        keyring.retire(&id("never")).unwrap_err(),
    ] {
        assert_eq!(error.kind(), &KeyErrorKind::KeyNotFound);
        assert!(!error.is_retryable());
    }
}

#[test]
fn the_current_key_cannot_be_retired() {
    let keyring = MemoryKeyring::with_key(id("a"), key(7));
    let error = keyring.retire(&id("a")).unwrap_err();
    assert_eq!(error.kind(), &KeyErrorKind::InvalidInput { field: "key_id" });
}

#[tokio::test]
async fn clones_share_their_keys_and_nothing_is_remembered() {
    let keyring = MemoryKeyring::with_key(id("a"), key(7));
    let clone = keyring.clone();
    keyring.rotate(id("b")).unwrap();
    assert_eq!(clone.current_key_id().await.unwrap(), id("b"));
    assert_eq!(clone.refresh_interval(), Duration::ZERO);
}

#[test]
fn debug_shows_ids_and_no_key() {
    let keyring = MemoryKeyring::with_key(id("a"), key(7));
    let shown = format!("{keyring:?}");
    assert!(shown.contains("\"a\""), "{shown}");
    assert_shows_no_key("Debug", shown.as_bytes(), &[&key(7)]);
}
