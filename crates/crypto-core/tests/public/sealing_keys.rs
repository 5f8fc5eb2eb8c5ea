//! DEKs that seal: one call for all who wait, a DEK of its own for each queue, no cached failure.

use std::sync::Arc;

use futures_util::future::join_all;
use sealmq_crypto_core::{
    CryptoErrorKind, CryptoProvider, KeyErrorKind, KeyManagementService, Keyring, MessageKey,
    Suite, WrapContext,
};

use crate::support::{
    FakeKms, clock, context, keyring, keyring_provider, policy, settle, started, tenant, until,
    wrap_context,
};

fn fixture() -> (Arc<FakeKms>, Keyring) {
    let kms = FakeKms::new("kms");
    let keyring = keyring(&kms, policy(), &clock());
    (kms, keyring)
}

async fn take(keyring: &Keyring, context: &WrapContext) -> Arc<MessageKey> {
    keyring.sealing_key(context, Suite::default(), 1, 1).await.unwrap()
}

fn orders() -> WrapContext {
    wrap_context("tenant-a", "orders")
}

#[tokio::test]
async fn a_thousand_sealers_who_miss_at_once_call_the_service_once() {
    let control = FakeKms::new("control");
    join_all((0..1_000).map(|_| async { control.generate_dek(&orders()).await.unwrap() })).await;
    assert_eq!(control.count("generate_dek"), 1_000, "each for himself");

    let (kms, keyring) = fixture();
    kms.hold();
    let tasks: Vec<_> = (0..1_000)
        .map(|_| keyring.clone())
        .map(|keyring| tokio::spawn(async move { take(&keyring, &orders()).await }))
        .collect();
    until(|| kms.calls() == 1).await;
    settle().await;
    kms.release();
    let keys = join_all(tasks).await;
    let first = keys[0].as_ref().unwrap();
    assert!(keys.iter().all(|key| Arc::ptr_eq(first, key.as_ref().unwrap())));
    assert_eq!(kms.calls(), 1);
}

#[tokio::test]
async fn ten_thousand_messages_call_the_service_once() {
    let (kms, keyring) = fixture();
    let clock = clock();
    let provider = keyring_provider(keyring, &clock, Suite::default());
    let context = context();
    for _ in 0..10_000 {
        let message = provider.encrypt(b"", &context).await.unwrap();
        provider.decrypt(message, &context).await.unwrap();
    }
    assert_eq!((kms.count("generate_dek"), kms.calls()), (1, 1));
}

#[tokio::test]
async fn each_environment_tenant_and_queue_has_a_dek_of_its_own() {
    let (kms, keyring) = fixture();
    let contexts = [
        orders(),
        wrap_context("tenant-a", "refunds"),
        wrap_context("tenant-b", "orders"),
        WrapContext::new(Some("staging"), tenant("tenant-a"), "orders"),
        WrapContext::new(None, tenant("tenant-a"), "orders"),
        WrapContext::new(Some(""), tenant("tenant-a"), "orders"),
    ];
    let mut keys: Vec<Arc<MessageKey>> = Vec::new();
    for context in &contexts {
        let key = take(&keyring, context).await;
        assert!(keys.iter().all(|other| !Arc::ptr_eq(other, &key)));
        assert!(Arc::ptr_eq(&key, &take(&keyring, context).await), "and keeps it");
        keys.push(key);
    }
    assert_eq!(kms.count("generate_dek"), contexts.len());
}

#[tokio::test]
async fn a_failed_fetch_is_not_remembered() {
    for kind in [
        KeyErrorKind::Unavailable,
        KeyErrorKind::Throttled { retry_after: None },
        KeyErrorKind::Denied,
        KeyErrorKind::Disabled,
        KeyErrorKind::KeyNotFound,
    ] {
        let (kms, keyring) = fixture();
        kms.fail(Some(kind.clone()));
        let error = keyring.sealing_key(&orders(), Suite::default(), 1, 1).await.unwrap_err();
        assert_eq!(error.kind(), &kind);
        kms.fail(None);
        take(&keyring, &orders()).await;
        assert_eq!(kms.calls(), 2, "{kind:?}");
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_strands_no_other() {
    let (kms, keyring) = fixture();
    kms.hold();
    let waiting = |keyring: Keyring| async move { take(&keyring, &orders()).await };
    let leader = started(waiting(keyring.clone())).await;
    let others = [started(waiting(keyring.clone())).await, started(waiting(keyring.clone())).await];
    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());
    kms.release();
    for other in others {
        other.await.unwrap();
    }
    assert_eq!(kms.calls(), 1, "the call was not even repeated");
}

#[tokio::test]
async fn when_every_caller_went_away_the_next_one_calls_anew() {
    let (kms, keyring) = fixture();
    kms.hold();
    let only = keyring.clone();
    let only = started(async move { take(&only, &orders()).await }).await;
    only.abort();
    only.await.unwrap_err();
    kms.release();
    take(&keyring, &orders()).await;
    assert_eq!(kms.calls(), 2);
}

#[tokio::test]
async fn a_fresh_dek_opens_its_own_messages_without_a_call() {
    let (kms, keyring) = fixture();
    let provider = keyring_provider(keyring, &clock(), Suite::default());
    let message = provider.encrypt(b"body", &context()).await.unwrap();
    provider.decrypt(message, &context()).await.unwrap();
    assert_eq!(kms.count("decrypt_dek"), 0);
}

#[tokio::test]
async fn a_shredded_tenant_seals_nothing_and_the_error_is_permanent() {
    let (kms, keyring) = fixture();
    kms.delete_kek(&tenant("tenant-a")).await.unwrap();
    let provider = keyring_provider(keyring, &clock(), Suite::default());
    let error = provider.encrypt(b"body", &context()).await.unwrap_err();
    assert!(matches!(error.kind(), CryptoErrorKind::KeyNotFound { .. }));
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_service_that_is_down_makes_sealing_fail_with_a_retryable_error() {
    let (kms, keyring) = fixture();
    kms.fail(Some(KeyErrorKind::Unavailable));
    let provider = keyring_provider(keyring, &clock(), Suite::default());
    let error = provider.encrypt(b"body", &context()).await.unwrap_err();
    assert_eq!(error.kind(), &CryptoErrorKind::KeyUnavailable);
    assert!(error.is_retryable());
}
