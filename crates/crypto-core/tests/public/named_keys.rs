//! Named keys: only ids on the list are asked for, rotation needs no restart, one call for a miss.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use sealmq_crypto_core::{KeyErrorKind, ManualClock, NamedKeys};

use crate::support::{FakeStore, clock, key_id, named_keys, policy, settle, started};

const SECOND: Duration = Duration::from_secs(1);

fn fixture() -> (Arc<FakeStore>, Arc<ManualClock>, NamedKeys) {
    with(FakeStore::with_key("k1", 1))
}

/// A store in this process, which says that its list need not be remembered.
fn in_process() -> (Arc<FakeStore>, Arc<ManualClock>, NamedKeys) {
    with(FakeStore::refreshed_every("k1", 1, Duration::ZERO))
}

fn with(store: Arc<FakeStore>) -> (Arc<FakeStore>, Arc<ManualClock>, NamedKeys) {
    let clock = clock();
    let keys = named_keys(&store, &clock);
    (store, clock, keys)
}

async fn is_unknown(keys: &NamedKeys, id: &str) -> bool {
    match keys.opening_key(id).await {
        Ok(_) => false,
        Err(error) => {
            assert_eq!(error.kind(), &KeyErrorKind::KeyNotFound);
            true
        }
    }
}

#[tokio::test]
async fn an_id_that_is_not_on_the_list_is_never_asked_for() {
    for (store, _, keys) in [fixture(), in_process()] {
        for id in ["k2", "https://attacker.example/k1", "../k1", "K1"] {
            assert!(is_unknown(&keys, id).await);
        }
        assert!(store.asked_for().is_empty());
        keys.opening_key("k1").await.expect("the control");
        assert_eq!(store.asked_for(), ["k1"]);
    }
}

#[tokio::test]
async fn a_thousand_unknown_ids_do_not_make_the_store_be_asked_a_thousand_times() {
    let (store, clock, keys) = fixture();
    for n in 0..1_000 {
        assert!(is_unknown(&keys, &format!("attacker-{n}")).await);
    }
    assert_eq!(store.calls(), 2, "the list was read once: the current id, the valid ids");
    clock.advance(SECOND);
    assert!(is_unknown(&keys, "attacker").await);
    assert_eq!(store.calls(), 4, "and once more after a second");
}

#[tokio::test]
async fn a_key_that_the_sender_rotated_to_is_found_within_a_second_and_the_old_one_still_opens() {
    let (store, clock, keys) = fixture();
    keys.opening_key("k1").await.unwrap();
    store.rotate_to("k2", 2);
    clock.advance(SECOND);
    assert_eq!(keys.opening_key("k2").await.unwrap().label(), "k2");
    assert_eq!(keys.opening_key("k1").await.unwrap().label(), "k1");
}

#[tokio::test]
async fn a_key_newer_than_a_list_that_was_just_read_is_waited_for_and_not_given_up() {
    let (store, clock, keys) = fixture();
    keys.opening_key("k1").await.unwrap();
    store.rotate_to("k2", 2);
    clock.advance(SECOND / 2);
    let error = keys.opening_key("k2").await.expect_err("the list is half a second old");
    assert!(error.is_retryable(), "{error:?}");
    clock.advance(SECOND / 2);
    assert_eq!(keys.opening_key("k2").await.unwrap().label(), "k2");
}

#[tokio::test]
async fn unknown_ids_that_were_waited_for_are_given_up_with_the_next_list_whoever_reads_it() {
    let (store, clock, keys) = fixture();
    keys.opening_key("k1").await.unwrap();
    clock.advance(SECOND / 2);
    for n in 0..100 {
        let error = keys.opening_key(&format!("attacker-{n}")).await.expect_err("not listed");
        assert!(error.is_retryable(), "{error:?}");
    }
    clock.advance(SECOND / 2);
    for n in 0..100 {
        assert!(is_unknown(&keys, &format!("attacker-{n}")).await);
    }
    assert_eq!(store.calls(), 5, "the list was read twice, the one key once");
}

#[tokio::test]
async fn a_rotation_seals_with_the_new_key_after_the_refresh_interval_of_the_store() {
    let (store, clock, keys) = fixture();
    keys.sealing_key().await.unwrap();
    store.rotate_to("k2", 2);
    clock.advance(60 * SECOND - Duration::from_millis(1));
    assert_eq!(keys.sealing_key().await.unwrap().label(), "k1");
    clock.advance(Duration::from_millis(1));
    assert_eq!(keys.sealing_key().await.unwrap().label(), "k2");
}

#[tokio::test]
async fn a_rotation_in_this_process_is_seen_at_once() {
    let (store, _, keys) = in_process();
    keys.sealing_key().await.unwrap();
    store.rotate_to("k2", 2);
    assert_eq!(keys.sealing_key().await.unwrap().label(), "k2");
    keys.opening_key("k2").await.unwrap();
    keys.opening_key("k1").await.unwrap();
}

#[tokio::test]
async fn a_retired_key_opens_nothing_once_the_list_is_read_again() {
    let (store, clock, keys) = fixture();
    store.rotate_to("k2", 2);
    keys.opening_key("k1").await.unwrap();
    store.retire("k1");
    clock.advance(60 * SECOND);
    assert!(is_unknown(&keys, "k1").await, "though the key itself is still cached");
    keys.opening_key("k2").await.unwrap();
}

#[tokio::test]
async fn a_thousand_readers_who_miss_at_once_read_the_key_once() {
    for (store, _, keys) in [fixture(), in_process()] {
        join_all((0..1_000).map(async |_| keys.opening_key("k1").await.unwrap())).await;
        assert_eq!(store.asked_for(), ["k1"]);
    }
}

#[tokio::test]
async fn unknown_ids_do_not_break_the_reading_of_good_messages() {
    for (_, clock, keys) in [fixture(), in_process()] {
        let pair = async |_| {
            let (good, bad) = join(keys.opening_key("k1"), keys.opening_key("attacker")).await;
            good.expect("a good message");
            assert_eq!(bad.unwrap_err().kind(), &KeyErrorKind::KeyNotFound);
        };
        join_all((0..50).map(pair)).await;
        clock.advance(SECOND);
        join_all((0..50).map(pair)).await;
    }
}

#[tokio::test]
async fn a_store_that_is_down_is_unavailable_and_not_an_unknown_key() {
    for (store, _, keys) in [fixture(), in_process()] {
        store.fail(Some(KeyErrorKind::Unavailable));
        let error = keys.opening_key("k1").await.unwrap_err();
        assert_eq!(error.kind(), &KeyErrorKind::Unavailable);
        store.fail(None);
        keys.opening_key("k1").await.expect("the failure was not remembered");
    }
}

#[tokio::test]
async fn while_the_store_is_down_known_keys_open_until_their_hard_age() {
    let (store, clock, keys) = fixture();
    keys.opening_key("k1").await.unwrap();
    store.fail(Some(KeyErrorKind::Unavailable));
    clock.advance(policy().hard_age - Duration::from_millis(1));
    keys.opening_key("k1").await.unwrap();
    clock.advance(Duration::from_millis(1));
    let error = keys.opening_key("k1").await.unwrap_err();
    assert_eq!(error.kind(), &KeyErrorKind::Unavailable);
}

#[tokio::test]
async fn unknown_ids_take_no_known_key_away_while_the_store_is_down() {
    let (store, clock, keys) = fixture();
    keys.opening_key("k1").await.unwrap();
    store.fail(Some(KeyErrorKind::Unavailable));
    clock.advance(2 * SECOND);
    let error = keys.opening_key("attacker").await.unwrap_err();
    assert_eq!(error.kind(), &KeyErrorKind::Unavailable, "it may have been added meanwhile");
    keys.opening_key("k1").await.unwrap();
    keys.sealing_key().await.unwrap();
}

#[tokio::test]
async fn a_revoked_key_is_held_by_nobody_and_read_anew() {
    let (store, _, keys) = fixture();
    let key = Arc::downgrade(&keys.opening_key("k1").await.unwrap());
    assert_eq!(key.strong_count(), 1, "the control: it is cached");
    keys.revoke(&key_id("k1"));
    assert_eq!(key.strong_count(), 0);
    keys.opening_key("k1").await.unwrap();
    assert_eq!(store.asked_for(), ["k1", "k1"]);
}

#[tokio::test]
async fn a_key_being_read_at_its_revocation_does_not_come_back() {
    let (store, _, keys) = fixture();
    let keys = Arc::new(keys);
    assert!(is_unknown(&keys, "other").await, "the list is there");
    store.hold();
    let reading = Arc::clone(&keys);
    let reading = started(async move { reading.opening_key("k1").await.map(|_| ()) }).await;
    keys.revoke(&key_id("k1"));
    store.release();
    settle().await;
    assert!(reading.await.unwrap().unwrap_err().is_retryable());
    keys.opening_key("k1").await.unwrap();
    assert_eq!(store.asked_for(), ["k1", "k1"]);
}
