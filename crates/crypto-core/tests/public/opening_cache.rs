//! DEKs that open: cached for what admitted them and nothing else, bounded in number and age.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use sealmq_crypto_core::format::WrappedDekRef;
use sealmq_crypto_core::{
    KeyError, KeyErrorKind, KeyManagementService, Keyring, ManualClock, MessageKey, Suite,
    WrapContext,
};

use crate::support::{
    FakeKms, clock, keyring, policy, settle, started, tenant, until, wrap_context,
};

struct Fixture {
    kms: Arc<FakeKms>,
    clock: Arc<ManualClock>,
    keyring: Keyring,
    wrapped: Vec<u8>,
}

impl Fixture {
    /// A receiver's keyring, and a wrapped DEK that somebody else made for [`orders`].
    async fn new() -> Self {
        let (kms, clock) = (FakeKms::new("kms"), clock());
        let keyring = keyring(&kms, policy(), &clock);
        let wrapped = kms.generate_dek(&orders()).await.unwrap().wrapped;
        Self { kms, clock, keyring, wrapped }
    }

    async fn open(&self) -> Result<Arc<MessageKey>, KeyError> {
        open(&self.keyring, &self.wrapped, &orders()).await
    }

    fn unwraps(&self) -> usize {
        self.kms.count("decrypt_dek")
    }
}

fn orders() -> WrapContext {
    wrap_context("tenant-a", "orders")
}

async fn open(
    keyring: &Keyring,
    wrapped: &[u8],
    context: &WrapContext,
) -> Result<Arc<MessageKey>, KeyError> {
    open_suite(keyring, wrapped, context, Suite::default()).await
}

async fn open_suite(
    keyring: &Keyring,
    wrapped: &[u8],
    context: &WrapContext,
    suite: Suite,
) -> Result<Arc<MessageKey>, KeyError> {
    let reference = [WrappedDekRef { kek_alias: "kek-1", wrapped }];
    keyring.opening_key(context, suite, &reference).await
}

#[tokio::test]
async fn a_dek_is_unwrapped_once_for_many_messages() {
    let fixture = Fixture::new().await;
    for _ in 0..1_000 {
        fixture.open().await.unwrap();
    }
    assert_eq!(fixture.unwraps(), 1);
}

#[tokio::test]
async fn a_thousand_readers_who_miss_at_once_call_the_service_once() {
    let fixture = Arc::new(Fixture::new().await);
    fixture.kms.hold();
    let tasks: Vec<_> = (0..1_000)
        .map(|_| Arc::clone(&fixture))
        .map(|fixture| tokio::spawn(async move { fixture.open().await.unwrap() }))
        .collect();
    until(|| fixture.unwraps() == 1).await;
    settle().await;
    fixture.kms.release();
    join_all(tasks).await.into_iter().for_each(|task| drop(task.unwrap()));
    assert_eq!(fixture.unwraps(), 1);
}

#[tokio::test]
async fn a_dek_admitted_for_one_scope_never_serves_another() {
    let fixture = Fixture::new().await;
    let others = [
        wrap_context("tenant-a", "refunds"),
        wrap_context("tenant-b", "orders"),
        WrapContext::new(Some("staging"), tenant("tenant-a"), "orders"),
        WrapContext::new(None, tenant("tenant-a"), "orders"),
    ];
    // The control: a cache by wrapped bytes alone, as in CVE-2026-6550, serves whoever asks.
    let naive = HashMap::from([(fixture.wrapped.clone(), fixture.open().await.unwrap())]);
    assert!(naive.contains_key(&fixture.wrapped), "in any scope");

    for (asked, other) in others.iter().enumerate() {
        let error = open(&fixture.keyring, &fixture.wrapped, other).await.unwrap_err();
        assert_eq!(error.kind(), &KeyErrorKind::ContextMismatch);
        assert_eq!(fixture.unwraps(), 2 + asked, "the service was asked for this scope");
    }
}

#[tokio::test]
async fn a_refusal_for_one_scope_does_not_spoil_the_dek_for_its_own() {
    let fixture = Fixture::new().await;
    let other = wrap_context("tenant-b", "orders");
    open(&fixture.keyring, &fixture.wrapped, &other).await.unwrap_err();
    fixture.open().await.unwrap();
}

#[tokio::test]
async fn a_dek_admitted_for_one_suite_is_asked_for_again_for_another() {
    let fixture = Fixture::new().await;
    let keyring = &fixture.keyring;
    for suite in [Suite::Aes256Gcm, Suite::ChaCha20Poly1305, Suite::Aes256Gcm] {
        open_suite(keyring, &fixture.wrapped, &orders(), suite).await.unwrap();
    }
    assert_eq!(fixture.unwraps(), 2);
}

#[tokio::test]
async fn the_cache_holds_no_more_than_its_capacity_and_drops_the_least_used() {
    let (kms, mut small) = (FakeKms::new("kms"), policy());
    small.cache_capacity = 4;
    let keyring = keyring(&kms, small, &clock());
    let mut wrapped = Vec::new();
    for _ in 0..5 {
        wrapped.push(kms.generate_dek(&orders()).await.unwrap().wrapped);
    }
    for dek in [0, 1, 2, 3, 0, 4] {
        open(&keyring, &wrapped[dek], &orders()).await.unwrap();
    }
    assert_eq!(kms.count("decrypt_dek"), 5);
    for dek in [0, 2, 3, 4] {
        open(&keyring, &wrapped[dek], &orders()).await.unwrap();
    }
    assert_eq!(kms.count("decrypt_dek"), 5, "these four were kept");
    open(&keyring, &wrapped[1], &orders()).await.unwrap();
    assert_eq!(kms.count("decrypt_dek"), 6, "the least recently used was dropped");
}

#[tokio::test]
async fn constant_use_does_not_prolong_the_life_of_a_dek() {
    let fixture = Fixture::new().await;
    fixture.open().await.unwrap();
    fixture.kms.fail(Some(KeyErrorKind::Unavailable));
    let hard_age = policy().hard_age.as_secs();
    // The control: a lifetime that each use begins anew.
    let mut sliding_until = hard_age;
    for second in 1..hard_age {
        fixture.clock.advance(Duration::from_secs(1));
        fixture.open().await.unwrap_or_else(|_| panic!("second {second}"));
        sliding_until = second + hard_age;
    }
    fixture.clock.advance(Duration::from_secs(1));
    assert!(sliding_until > hard_age, "the control would serve it on");
    let error = fixture.open().await.unwrap_err();
    assert_eq!(error.kind(), &KeyErrorKind::Unavailable);
}

#[tokio::test]
async fn a_failed_unwrap_is_not_remembered() {
    let fixture = Fixture::new().await;
    for kind in [
        KeyErrorKind::Unavailable,
        KeyErrorKind::Throttled { retry_after: None },
        KeyErrorKind::Denied,
        KeyErrorKind::Disabled,
        KeyErrorKind::ContextMismatch,
        KeyErrorKind::Malformed,
        KeyErrorKind::WrongKeyVersion,
    ] {
        fixture.kms.fail(Some(kind.clone()));
        assert_eq!(fixture.open().await.unwrap_err().kind(), &kind);
    }
    fixture.kms.fail(None);
    fixture.open().await.unwrap();
    assert_eq!(fixture.unwraps(), 8);
}

#[tokio::test]
async fn an_unknown_key_is_remembered_as_unknown_for_its_time_and_not_longer() {
    let fixture = Fixture::new().await;
    let ttl = policy().unknown_key_ttl;
    fixture.kms.delete_kek(&tenant("tenant-a")).await.unwrap();
    let refused_after = async |wait, calls| {
        fixture.clock.advance(wait);
        let error = fixture.open().await.unwrap_err();
        assert_eq!((error.kind(), fixture.unwraps()), (&KeyErrorKind::KeyNotFound, calls));
    };
    refused_after(Duration::ZERO, 1).await;
    refused_after(ttl - Duration::from_millis(1), 1).await;
    refused_after(Duration::from_millis(1), 2).await;
}

#[tokio::test]
async fn a_reader_that_goes_away_strands_no_other() {
    let fixture = Arc::new(Fixture::new().await);
    fixture.kms.hold();
    let waiting = |fixture: Arc<Fixture>| async move { fixture.open().await.map(|_| ()) };
    let leader = started(waiting(Arc::clone(&fixture))).await;
    let other = started(waiting(Arc::clone(&fixture))).await;
    leader.abort();
    leader.await.unwrap_err();
    fixture.kms.release();
    other.await.unwrap().unwrap();
    assert_eq!(fixture.unwraps(), 1);
}

#[tokio::test]
async fn when_every_reader_went_away_the_next_one_calls_anew() {
    let fixture = Arc::new(Fixture::new().await);
    fixture.kms.hold();
    let only = Arc::clone(&fixture);
    let only = started(async move { only.open().await.map(|_| ()) }).await;
    only.abort();
    only.await.unwrap_err();
    fixture.kms.release();
    fixture.open().await.unwrap();
    assert_eq!(fixture.unwraps(), 2);
}
