//! The contract of `ReplayGuard`, by two guards on two connections.

use sealmq_crypto_core::{MemoryReplayGuard, ReplayGuard, Reservation};
use tokio::time::sleep;

use crate::support::{
    HOUR, SHORT, by, commit, context, key, nonce, release, reserve, reserve_shortly, two,
};
use Reservation::{Completed, Granted, Replayed};

/// The control: guards that do not share their memory grant both copies.
#[tokio::test]
async fn guards_in_two_processes_memories_grant_a_message_twice() {
    let (a, b) = (MemoryReplayGuard::new(), MemoryReplayGuard::new());
    assert_eq!(reserve(&a, 1, "copy-1").await, Granted);
    commit(&a, 1, "copy-1").await;
    assert_eq!(reserve(&b, 1, "copy-2").await, Granted);
}

#[tokio::test]
async fn a_redelivery_is_granted_and_a_copy_is_refused() {
    let (_server, a, b) = two().await;
    assert_eq!(reserve(&a, 1, "copy-1").await, Granted);
    assert_eq!(reserve(&a, 1, "copy-1").await, Granted);
    assert_eq!(reserve(&b, 1, "copy-1").await, Granted, "redelivered to another replica");
    assert_eq!(reserve(&b, 1, "copy-2").await, Replayed);
    assert_eq!(reserve(&b, 2, "copy-2").await, Granted, "another nonce");
}

#[tokio::test]
async fn a_completed_message_is_settled_again_for_its_copy_and_refused_for_others() {
    let (_server, a, b) = two().await;
    assert_eq!(reserve(&a, 1, "copy-1").await, Granted);
    commit(&a, 1, "copy-1").await;
    commit(&a, 1, "copy-1").await;
    assert_eq!(reserve(&b, 1, "copy-1").await, Completed);
    assert_eq!(reserve(&b, 1, "copy-2").await, Replayed);
    release(&a, 1, "copy-1").await;
    assert_eq!(reserve(&b, 1, "copy-2").await, Replayed, "what is completed cannot be freed");
}

#[tokio::test]
async fn a_released_message_may_come_again_and_only_its_holder_releases_it() {
    let (_server, a, b) = two().await;
    assert_eq!(reserve(&a, 1, "copy-1").await, Granted);
    release(&b, 1, "copy-2").await;
    assert_eq!(reserve(&b, 1, "copy-2").await, Replayed);
    release(&a, 1, "copy-1").await;
    assert_eq!(reserve(&b, 1, "copy-2").await, Granted);
    release(&b, 7, "copy-2").await; // never reserved
    assert_eq!(reserve(&a, 7, "copy-1").await, Granted);
}

#[tokio::test]
async fn a_lapsed_lease_is_taken_over_and_an_extended_one_is_not() {
    let (_server, a, b) = two().await;
    for n in [1, 2, 3] {
        assert_eq!(reserve_shortly(&a, n, "copy-1").await, Granted);
    }
    a.extend(&nonce(2), &by("copy-1"), HOUR).await.unwrap();
    b.extend(&nonce(1), &by("copy-2"), HOUR).await.unwrap(); // not its own
    assert_eq!(reserve(&a, 3, "copy-1").await, Granted, "redelivered, with a lease anew");
    sleep(SHORT * 2).await;
    assert_eq!(reserve(&b, 1, "copy-2").await, Granted, "lapsed");
    assert_eq!(reserve(&a, 1, "copy-1").await, Replayed, "it is the other's now");
    assert_eq!(reserve(&b, 2, "copy-2").await, Replayed, "extended by its holder");
    assert_eq!(reserve(&b, 3, "copy-2").await, Replayed, "redelivered meanwhile");
}

#[tokio::test]
async fn a_completion_counts_though_its_lease_lapsed_and_another_gave_the_message_back() {
    let (_server, a, b) = two().await;
    for n in [1, 2] {
        assert_eq!(reserve_shortly(&a, n, "copy-1").await, Granted);
    }
    sleep(SHORT * 2).await;
    for n in [1, 2] {
        assert_eq!(reserve(&b, n, "copy-2").await, Granted);
    }
    release(&b, 2, "copy-2").await;
    for n in [1, 2] {
        commit(&a, n, "copy-1").await;
        for copy in ["copy-2", "copy-3"] {
            assert_eq!(reserve(&b, n, copy).await, Replayed);
        }
        commit(&b, n, "copy-2").await;
        assert_eq!(reserve(&b, n, "copy-1").await, Completed, "the first completion stays");
    }
}

#[tokio::test]
async fn a_completion_counts_though_an_operator_removed_its_nonce() {
    let (server, a, b) = two().await;
    let store = context(&server).await.get_key_value(crate::support::BUCKET).await.unwrap();
    for n in [1, 2] {
        assert_eq!(reserve(&a, n, "copy-1").await, Granted);
    }
    store.delete(key(1)).await.unwrap();
    store.purge(key(2)).await.unwrap();
    for n in [1, 2] {
        commit(&a, n, "copy-1").await;
        assert_eq!(reserve(&b, n, "copy-2").await, Replayed);
    }
    store.purge(key(2)).await.unwrap();
    assert_eq!(reserve(&b, 2, "copy-2").await, Granted, "a mark of the server is no nonce");
}

#[tokio::test]
async fn what_cannot_be_read_is_granted_to_nobody() {
    let (server, a, _) = two().await;
    let store = context(&server).await.get_key_value(crate::support::BUCKET).await.unwrap();
    store.put(key(1), "v2 something else".into()).await.unwrap();
    let refused = a.reserve(&nonce(1), &by("copy-1"), HOUR, HOUR).await;
    assert!(refused.is_err());
    assert!(a.commit(&nonce(1), &by("copy-1")).await.is_err());
    assert_eq!(store.get(key(1)).await.unwrap().unwrap(), "v2 something else");
}
