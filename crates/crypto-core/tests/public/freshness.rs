//! The authenticated time of a message is held against the clock, to the millisecond.

use std::time::Duration;

use sealmq_crypto_core::{
    Clock, CryptoConfig, CryptoErrorKind, CryptoProvider, Freshness, OpenedMessage,
};

use crate::support::{NOW_MS, assert_unauthentic, clock, context, named_provider};

const FRESHNESS: Freshness =
    Freshness { max_age: Duration::from_secs(300), max_clock_skew: Duration::from_secs(120) };

async fn opened() -> OpenedMessage {
    let provider = named_provider(&CryptoConfig::default());
    let message = provider.encrypt(b"body", &context()).await.unwrap();
    provider.decrypt(message, &context()).await.unwrap()
}

#[tokio::test]
async fn a_message_of_exactly_the_maximum_age_is_released() {
    let clock = clock();
    clock.advance(FRESHNESS.max_age);
    assert_eq!(opened().await.release(&FRESHNESS, clock.unix_ms()).unwrap(), "body");
}

#[tokio::test]
async fn a_message_one_millisecond_older_is_expired_and_the_error_says_how_old_it_is() {
    let clock = clock();
    clock.advance(FRESHNESS.max_age + Duration::from_millis(1));
    let error = opened().await.release(&FRESHNESS, clock.unix_ms()).unwrap_err();
    let expected = CryptoErrorKind::MessageExpired {
        encrypted_at_ms: NOW_MS,
        age: FRESHNESS.max_age + Duration::from_millis(1),
        max_age: FRESHNESS.max_age,
    };
    assert_eq!(error.kind(), &expected);
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_message_ahead_by_exactly_the_clock_skew_is_released() {
    let now_ms = NOW_MS - 120_000;
    assert_eq!(opened().await.release(&FRESHNESS, now_ms).unwrap(), "body");
}

#[tokio::test]
async fn a_message_one_millisecond_further_ahead_is_from_the_future() {
    let error = opened().await.release(&FRESHNESS, NOW_MS - 120_001).unwrap_err();
    let expected = CryptoErrorKind::MessageFromFuture {
        encrypted_at_ms: NOW_MS,
        ahead: Duration::from_millis(120_001),
        max_skew: FRESHNESS.max_clock_skew,
    };
    assert_eq!(error.kind(), &expected);
}

#[tokio::test]
async fn an_expired_message_is_released_at_any_age_when_that_is_asked_for() {
    assert_eq!(opened().await.danger_release_at_any_age(), "body");
}

/// The control is the unauthenticated time beside a body, which a replay simply renews.
#[tokio::test]
async fn an_expired_message_cannot_be_made_fresh_by_editing_its_time() {
    let provider = named_provider(&CryptoConfig::default());
    let message = provider.encrypt(b"body", &context()).await.unwrap();
    let mut renewed = message.into_bytes().to_vec();
    renewed[10..18].copy_from_slice(&(NOW_MS + 86_400_000).to_be_bytes());
    let renewed = sealmq_crypto_core::EncryptedMessage::parse(renewed).unwrap();
    FRESHNESS
        .check(renewed.encrypted_at_ms(), NOW_MS + 86_400_000)
        .expect("the control: by the frame's own word it is fresh");
    assert_unauthentic(provider.decrypt(renewed, &context()).await, "renewed");
}

#[test]
fn the_extremes_of_time_neither_overflow_nor_pass() {
    for (encrypted_at_ms, now_ms) in [(0, u64::MAX), (u64::MAX, 0)] {
        FRESHNESS.check(encrypted_at_ms, now_ms).unwrap_err();
    }
    FRESHNESS.check(u64::MAX, u64::MAX).unwrap();
}
