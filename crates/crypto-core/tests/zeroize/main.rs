//! Dropped and revoked keys are not left behind in the memory of the process.
//!
//! Observed, not believed: each test reads all writable memory of this process through
//! `/proc/self/mem` and looks for the key.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy knows helpers of tests only inside of a crate's own test modules"
)]

mod derived;
mod scan;
#[path = "../support/mod.rs"]
mod support;

use std::hint::black_box;
use std::sync::Arc;

use sealmq_crypto_core::format::WrappedDekRef;
use sealmq_crypto_core::{
    AeadBackend, EncryptionContext, EncryptionKey, KeyManagementService, Keyring, MessageKey, Suite,
};

use scan::{ALONE, Needle};
use support::{
    FakeKms, FakeStore, MASK, NOW_MS, alias, clock, key_id, keyring, named_keys, policy, scope_of,
    started, wrap_context,
};

/// Many copies, because the allocator hands out some of the freed blocks again at once.
#[test]
fn dropped_vectors_are_found_and_dropped_encryption_keys_are_not() {
    let _alone = ALONE.lock_blocking();
    let source = EncryptionKey::generate().unwrap();
    let needle = Needle::of(source.expose_secret());

    let keys: Vec<_> =
        (0..64).map(|_| EncryptionKey::from_slice(source.expose_secret()).unwrap()).collect();
    assert_eq!(needle.count(), 1 + keys.len(), "living keys are found");
    drop(keys);
    assert_eq!(needle.count(), 1, "dropped keys are not");

    let plain: Vec<_> = (0..64).map(|_| source.expose_secret().to_vec()).collect();
    drop(black_box(plain));
    assert!(needle.count() > 1, "the control: what is not zeroized stays behind");
}

#[test]
fn a_moved_encryption_key_leaves_no_copy_where_it_was() {
    let _alone = ALONE.lock_blocking();
    let key = EncryptionKey::generate().unwrap();
    let needle = Needle::of(key.expose_secret());
    let moved = Box::new(Some(black_box(key)));
    assert_eq!(needle.count(), 1, "one heap block");
    drop(moved);
    assert_eq!(needle.count(), 0);
}

#[test]
fn a_message_key_keeps_no_copy_of_the_key_it_was_made_of() {
    let _alone = ALONE.lock_blocking();
    let key = EncryptionKey::generate().unwrap();
    let needle = Needle::of(key.expose_secret());
    let message_key = MessageKey::named(&key_id("k"), &key).unwrap();
    drop(key);
    let kept = usize::from(cfg!(feature = "fips"));
    assert_eq!(needle.count(), kept, "while the message key lives");
    drop(message_key);
    assert_eq!(needle.count(), 0, "and afterwards");
}

fn masked(key: &EncryptionKey) -> Vec<u8> {
    key.expose_secret().iter().map(|byte| byte ^ MASK).collect()
}

#[test]
fn what_a_message_key_derives_with_is_gone_once_it_is_dropped() {
    let _alone = ALONE.lock_blocking();
    let key = EncryptionKey::generate().unwrap();
    let state = derived::kept(&masked(&key));
    let message_key = Box::new(MessageKey::named(&key_id("k"), &key).unwrap());
    drop(key);
    assert!(state.count() > 0, "the control: a living key has them");
    drop(message_key);
    assert_eq!(state.count_off_the_stack(), 0);
}

/// On the stack of the thread that sealed, the ciphers leave copies until the next calls
/// overwrite them; aws-lc-rs leaves the fewest.
#[test]
fn the_derived_key_of_a_message_stays_nowhere_but_on_the_stack_once_it_is_sealed_and_opened() {
    let _alone = ALONE.lock_blocking();
    let context = EncryptionContext::builder(&scope_of(None, None, "q"), "m").build().unwrap();
    for &backend in AeadBackend::AVAILABLE {
        for suite in Suite::ALL {
            let key = EncryptionKey::generate().unwrap();
            let message_key = MessageKey::named(&key_id("k"), &key).unwrap();
            let mut frame = message_key.seal(suite, backend, b"body", &context, NOW_MS).unwrap();
            let needle = derived::aead_key(&masked(&key), &frame, b"\x03\x00\x01q\x06\x00\x01m");
            assert_eq!(needle.count_off_the_stack(), 0, "{backend:?} sealed {suite:?}");
            message_key.open_in_place(backend, &mut frame, &context).unwrap();
            assert_eq!(needle.count_off_the_stack(), 0, "{backend:?} opened {suite:?}");
        }
    }
}

/// What is left in memory of each DEK that the service made: the DEK itself, what is kept of it.
fn left_of_deks(kms: &FakeKms) -> Vec<(usize, usize)> {
    let of_dek = |masked: Vec<u8>| {
        let (dek, kept) = (Needle::of_masked(&masked), derived::kept(&masked));
        (dek.count_off_the_stack(), kept.count_off_the_stack())
    };
    kms.masked_deks().into_iter().map(of_dek).collect()
}

async fn open(keyring: &Keyring, wrapped: &[u8]) -> Arc<MessageKey> {
    let reference = [WrappedDekRef { kek_alias: "kek-1", wrapped }];
    let context = wrap_context("tenant-a", "orders");
    keyring.opening_key(&context, Suite::default(), &reference).await.unwrap()
}

#[tokio::test]
async fn nothing_is_left_of_the_deks_of_a_revoked_kek() {
    let _alone = ALONE.lock().await;
    let (kms, context) = (FakeKms::new("kms"), wrap_context("tenant-a", "orders"));
    let keyring = keyring(&kms, policy(), &clock());
    let received = kms.generate_dek(&context).await.unwrap().wrapped;
    open(&keyring, &received).await;
    keyring.sealing_key(&context, Suite::default(), 1, 1).await.unwrap();
    let before = left_of_deks(&kms);
    assert_eq!(before.len(), 2);
    let keeps_deks = cfg!(feature = "fips");
    let cached = |(dek, kept): &(usize, usize)| (*dek > 0) == keeps_deks && *kept > 0;
    assert!(before.iter().all(cached), "cached: {before:?}");
    keyring.revoke(&alias("kek-1"));
    assert_eq!(left_of_deks(&kms), [(0, 0); 2]);
}

#[tokio::test]
async fn nothing_is_left_of_a_dek_that_was_under_way_at_a_revocation() {
    let _alone = ALONE.lock().await;
    let (kms, context) = (FakeKms::new("kms"), wrap_context("tenant-a", "orders"));
    let keyring = keyring(&kms, policy(), &clock());
    kms.hold();
    let waiting = keyring.clone();
    let waiting =
        started(
            async move { waiting.sealing_key(&context, Suite::default(), 1, 1).await.map(|_| ()) },
        );
    let waiting = waiting.await;
    keyring.revoke(&alias("kek-1"));
    kms.release();
    waiting.await.unwrap().unwrap_err();
    assert_eq!(left_of_deks(&kms), [(0, 0)]);
}

#[tokio::test]
async fn nothing_is_left_of_a_revoked_named_key() {
    let _alone = ALONE.lock().await;
    let (store, clock) = (FakeStore::with_key("k1", 0x3c), clock());
    let keys = named_keys(&store, &clock);
    let state = derived::kept(&[0x3c ^ MASK; 32]);
    keys.opening_key("k1").await.unwrap();
    assert!(state.count_off_the_stack() > 0, "the control: it is cached");
    keys.revoke(&key_id("k1"));
    assert_eq!(state.count_off_the_stack(), 0);
}
