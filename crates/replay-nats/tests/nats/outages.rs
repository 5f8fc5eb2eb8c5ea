//! A server that is down, and one that comes back.

use std::time::Duration;

use sealmq_crypto_core::{ReplayGuard, Reservation};
use sealmq_replay_nats::async_nats::ConnectOptions;
use sealmq_replay_nats::{NatsReplayErrorKind, NatsReplayGuard};

use crate::support::{HOUR, by, commit, config, context, guard, kind, nonce, reserve};
use sealmq_test_kit::NatsServer;

/// A guard that does not wait long.
async fn impatient(server: &NatsServer) -> NatsReplayGuard {
    let mut jetstream = context(server).await;
    jetstream.set_timeout(Duration::from_secs(1));
    NatsReplayGuard::new(jetstream, config()).unwrap()
}

/// Asks until the server is there again.
async fn reserve_again(guard: &NatsReplayGuard, n: u32, identity: &str) -> Reservation {
    for _ in 0..100 {
        if let Ok(reserved) = guard.reserve(&nonce(n), &by(identity), HOUR, HOUR).await {
            return reserved;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the guard does not come back");
}

#[tokio::test]
async fn a_server_that_was_killed_remembers_what_was_committed() {
    let mut server = NatsServer::start().await;
    let kept = impatient(&server).await;
    for n in 0..20 {
        assert_eq!(reserve(&kept, n, "copy-1").await, Reservation::Granted);
        if n < 10 {
            commit(&kept, n, "copy-1").await;
        }
    }
    server.kill().await;
    server.start_again().await;
    assert_eq!(reserve_again(&kept, 0, "copy-2").await, Reservation::Replayed);
    let new = guard(&server).await;
    for n in 0..20 {
        assert_eq!(reserve(&new, n, "copy-2").await, Reservation::Replayed, "{n}");
        let again = if n < 10 { Reservation::Completed } else { Reservation::Granted };
        assert_eq!(reserve(&new, n, "copy-1").await, again, "{n}");
    }
}

#[tokio::test]
async fn while_the_server_is_down_nothing_is_granted_and_every_call_is_an_error() {
    let mut server = NatsServer::start().await;
    let (guard, unopened) = (impatient(&server).await, impatient(&server).await);
    assert_eq!(reserve(&guard, 1, "copy-1").await, Reservation::Granted);
    server.kill().await;
    for n in [1, 2] {
        assert!(guard.reserve(&nonce(n), &by("copy-1"), HOUR, HOUR).await.is_err());
        assert!(unopened.reserve(&nonce(n), &by("copy-1"), HOUR, HOUR).await.is_err());
    }
    assert!(guard.extend(&nonce(1), &by("copy-1"), HOUR).await.is_err());
    assert!(guard.commit(&nonce(1), &by("copy-1")).await.is_err());
    assert!(guard.release(&nonce(1), &by("copy-1")).await.is_err());
    let down = unopened.open().await.unwrap_err();
    assert_eq!(down.kind(), &NatsReplayErrorKind::Unavailable);
    assert!(down.is_retryable());
    let connected = NatsReplayGuard::connect(server.url(), ConnectOptions::new(), config()).await;
    assert_eq!(kind(connected), NatsReplayErrorKind::Unavailable);
    server.start_again().await;
    assert_eq!(reserve_again(&unopened, 3, "copy-1").await, Reservation::Granted);
    assert_eq!(reserve_again(&guard, 3, "copy-2").await, Reservation::Replayed);
}

#[tokio::test]
async fn refused_credentials_are_told_from_an_outage() {
    let server = NatsServer::with_config("authorization { user: a, password: b }").await;
    let connected = NatsReplayGuard::connect(server.url(), ConnectOptions::new(), config()).await;
    assert_eq!(kind(connected), NatsReplayErrorKind::Denied);
}

/// What a deleted bucket knew is lost: making another one in silence would let replays pass.
#[tokio::test]
async fn a_bucket_that_was_deleted_is_not_made_again_by_guards_that_used_it() {
    let server = NatsServer::start().await;
    let guard = impatient(&server).await;
    assert_eq!(reserve(&guard, 1, "copy-1").await, Reservation::Granted);
    commit(&guard, 1, "copy-1").await;
    context(&server).await.delete_key_value(crate::support::BUCKET).await.unwrap();
    for n in [1, 2] {
        assert!(guard.reserve(&nonce(n), &by("copy-2"), HOUR, HOUR).await.is_err());
    }
}
