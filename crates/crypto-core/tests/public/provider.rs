//! The provider: index-aligned batches, and errors that tell unknown, unavailable and forged apart.

use std::sync::Arc;

use bytes::Bytes;
use sealmq_crypto_core::{
    AesGcmCryptoProvider, CryptoConfig, CryptoErrorKind, CryptoProvider, EncryptedMessage,
    KeyErrorKind, MessageKey, SealRequest, Suite,
};

use crate::support::{
    FakeKms, FakeStore, KEY_ID, assert_invalid, assert_unauthentic, clock, context, full_context,
    key, key_id, keyring, keyring_provider, named_keys, named_provider, policy, scope, scope_of,
    sealed,
};

fn over(store: &Arc<FakeStore>) -> AesGcmCryptoProvider {
    let clock = clock();
    let named = named_keys(store, &clock);
    AesGcmCryptoProvider::builder().named_keys(named).clock(clock).build().unwrap()
}

async fn message() -> EncryptedMessage {
    named_provider(&CryptoConfig::default()).encrypt(b"body", &context()).await.unwrap()
}

async fn kind_of(provider: &AesGcmCryptoProvider, message: EncryptedMessage) -> CryptoErrorKind {
    provider.decrypt(message, &context()).await.unwrap_err().kind().clone()
}

#[tokio::test]
async fn an_unknown_key_an_unavailable_store_and_a_forgery_are_three_errors() {
    let store = FakeStore::with_key(KEY_ID, 7);
    let provider = over(&store);

    let foreign = MessageKey::named(&key_id("foreign"), &key(1)).unwrap();
    let foreign = sealed(&foreign, Suite::default(), b"body", &context());
    let foreign = EncryptedMessage::parse(foreign).unwrap();
    let unknown = CryptoErrorKind::KeyNotFound { key_id: "foreign".into() };
    assert_eq!(kind_of(&provider, foreign).await, unknown);

    let mut forged = message().await.into_bytes().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let forged = EncryptedMessage::parse(forged).unwrap();
    assert_eq!(kind_of(&provider, forged).await, CryptoErrorKind::AuthenticationFailed);

    let down = FakeStore::with_key(KEY_ID, 7);
    down.fail(Some(KeyErrorKind::Unavailable));
    assert_eq!(kind_of(&over(&down), message().await).await, CryptoErrorKind::KeyUnavailable);
}

/// What is wrong with the store or its credentials says nothing about the message, which must
/// not be dead-lettered for it.
#[tokio::test]
async fn a_store_that_cannot_give_a_listed_key_never_condemns_the_message() {
    for kind in [
        KeyErrorKind::Unavailable,
        KeyErrorKind::Throttled { retry_after: None },
        KeyErrorKind::Denied,
        KeyErrorKind::Disabled,
        KeyErrorKind::Malformed,
    ] {
        let store = FakeStore::with_key(KEY_ID, 7);
        store.fail(Some(kind.clone()));
        let error = over(&store).decrypt(message().await, &context()).await.unwrap_err();
        assert!(error.is_retryable(), "{kind:?}: {error}");
    }
}

#[tokio::test]
async fn a_service_that_is_down_or_denies_never_condemns_the_message() {
    let kms = FakeKms::new("kms");
    let provider = || {
        let clock = clock();
        keyring_provider(keyring(&kms, policy(), &clock), &clock, Suite::default())
    };
    let message = provider().encrypt(b"body", &context()).await.unwrap();
    for kind in [
        KeyErrorKind::Unavailable,
        KeyErrorKind::Throttled { retry_after: None },
        KeyErrorKind::Denied,
        KeyErrorKind::Disabled,
    ] {
        kms.fail(Some(kind.clone()));
        let error = provider().decrypt(message.clone(), &context()).await.unwrap_err();
        assert!(error.is_retryable(), "{kind:?}: {error}");
    }
}

#[tokio::test]
async fn a_frame_of_the_other_kind_of_key_is_an_unknown_key() {
    let (kms, clock) = (FakeKms::new("kms"), clock());
    let wrapped = keyring_provider(keyring(&kms, policy(), &clock), &clock, Suite::default());
    let named = named_provider(&CryptoConfig::default());
    let (one, two) = (
        named.encrypt(b"body", &context()).await.unwrap(),
        wrapped.encrypt(b"body", &context()).await.unwrap(),
    );
    for (provider, message) in [(&wrapped, one), (&named, two)] {
        let kind = kind_of(provider, message).await;
        assert!(matches!(kind, CryptoErrorKind::KeyNotFound { .. }), "{kind:?}");
    }
}

#[tokio::test]
async fn with_both_kinds_of_keys_wrapped_deks_seal_and_both_open() {
    let (kms, store, clock) = (FakeKms::new("kms"), FakeStore::with_key(KEY_ID, 7), clock());
    let provider = AesGcmCryptoProvider::builder()
        .keyring(keyring(&kms, policy(), &clock))
        .named_keys(named_keys(&store, &clock))
        .clock(clock)
        .build()
        .unwrap();
    let own = provider.encrypt(b"body", &context()).await.unwrap();
    assert_eq!(kms.count("generate_dek"), 1);
    provider.decrypt(own, &context()).await.unwrap();
    provider.decrypt(message().await, &context()).await.unwrap();
}

#[test]
fn a_provider_without_any_key_is_refused() {
    assert_invalid(AesGcmCryptoProvider::builder().build(), "keys");
}

/// A tenant's name must be one that key services can have.
#[tokio::test]
async fn a_tenant_that_no_key_service_can_have_is_named_when_sealing_and_condemns_no_message() {
    let (kms, clock) = (FakeKms::new("kms"), clock());
    let provider = keyring_provider(keyring(&kms, policy(), &clock), &clock, Suite::default());
    let message = provider.encrypt(b"body", &context()).await.unwrap();
    let nameless = full_context(&scope_of(None, Some(""), "orders"), "s");
    assert_invalid(provider.encrypt(b"body", &nameless).await, "tenant");
    assert!(provider.decrypt(message, &nameless).await.unwrap_err().is_retryable());
}

#[tokio::test]
async fn a_batch_of_several_queues_is_index_aligned() {
    let provider = named_provider(&CryptoConfig::default());
    let (a, b) = (context(), full_context(&scope_of(None, None, "refunds"), "s"));
    let contexts = [&a, &b, &b, &a, &b];
    let bodies: Vec<_> = (0..5).map(|n| format!("body {n}")).collect();
    let requests: Vec<_> = bodies
        .iter()
        .zip(contexts)
        .map(|(body, context)| SealRequest { plaintext: body.as_bytes(), context })
        .collect();
    let sealed = provider.encrypt_batch(&requests).await;
    let messages = sealed.into_iter().map(Result::unwrap).zip(contexts).collect();
    let opened = provider.decrypt_batch(messages).await;
    for (opened, body) in opened.into_iter().zip(&bodies) {
        assert_eq!(opened.unwrap().danger_release_at_any_age(), *body);
    }
}

#[tokio::test]
async fn an_empty_batch_gives_an_empty_answer() {
    let provider = named_provider(&CryptoConfig::default());
    assert!(provider.encrypt_batch(&[]).await.is_empty());
    assert!(provider.decrypt_batch(Vec::new()).await.is_empty());
}

#[tokio::test]
async fn one_forged_message_does_not_fail_its_batch() {
    let provider = named_provider(&CryptoConfig::default());
    let (own, other) = (context(), full_context(&scope(), "somebody-else"));
    let messages =
        vec![(message().await, &own), (message().await, &other), (message().await, &own)];
    let mut opened = provider.decrypt_batch(messages).await;
    assert_eq!(opened.remove(2).unwrap().danger_release_at_any_age(), "body");
    assert_unauthentic(opened.remove(1), "the forged one");
    assert_eq!(opened.remove(0).unwrap().danger_release_at_any_age(), "body");
}

#[tokio::test]
async fn a_sealed_message_describes_itself_as_its_frame_does() {
    let sealed = message().await;
    assert_eq!(EncryptedMessage::parse(sealed.as_bytes().clone()).unwrap(), sealed);
}

#[tokio::test]
async fn opening_a_shared_frame_leaves_the_other_holders_bytes_as_they_were() {
    let provider = named_provider(&CryptoConfig::default());
    let held: Bytes = message().await.into_bytes();
    let before = held.to_vec();
    let message = EncryptedMessage::parse(held.clone()).unwrap();
    provider.decrypt(message, &context()).await.unwrap();
    assert_eq!(held, before);
}

#[tokio::test]
async fn a_body_of_a_mebibyte_and_an_empty_one_come_back_unchanged() {
    for suite in Suite::ALL {
        let provider = named_provider(&CryptoConfig::default().with_suite(suite));
        for body in [vec![], vec![0xc3; 1 << 20]] {
            let message = provider.encrypt(&body, &context()).await.unwrap();
            let opened = provider.decrypt(message, &context()).await.unwrap();
            assert!(opened.danger_release_at_any_age() == body);
        }
    }
}

#[tokio::test]
async fn a_batch_looks_up_the_key_of_each_run_of_messages_once() {
    let store = FakeStore::with_key(KEY_ID, 7);
    let (provider, own) = (over(&store), context());
    let messages = vec![(message().await, &own), (message().await, &own)];
    let opened = provider.decrypt_batch(messages).await;
    assert!(opened.iter().all(Result::is_ok));
    assert_eq!(store.asked_for(), [KEY_ID]);
}

/// The key that a batch keeps from one message to the next is kept for its scope alone.
#[tokio::test]
async fn a_batch_does_not_hand_the_key_of_one_tenant_to_the_next_message_of_another() {
    let (kms, clock) = (FakeKms::new("kms"), clock());
    let provider = || keyring_provider(keyring(&kms, policy(), &clock), &clock, Suite::default());
    let own = context();
    let other = full_context(&scope_of(Some("production"), Some("tenant-b"), "orders"), "s");
    let message = provider().encrypt(b"body", &own).await.unwrap();
    let messages = vec![(message.clone(), &own), (message.clone(), &other), (message, &own)];
    let mut opened = provider().decrypt_batch(messages).await;
    opened.remove(2).unwrap();
    assert_unauthentic(opened.remove(1), "moved to another tenant");
    opened.remove(0).unwrap();
    // Once for each scope, and the own one from the cache the second time.
    assert_eq!(kms.count("decrypt_dek"), 2);
}

#[tokio::test]
async fn a_batch_does_not_open_a_suite_that_is_not_allowed_with_a_key_that_is() {
    let narrow = CryptoConfig::default()
        .with_suite(Suite::ChaCha20Poly1305)
        .with_accepted_suites([Suite::ChaCha20Poly1305]);
    let (aes, chacha) = (named_provider(&CryptoConfig::default()), named_provider(&narrow));
    let own = context();
    let messages = vec![
        (chacha.encrypt(b"body", &own).await.unwrap(), &own),
        (aes.encrypt(b"body", &own).await.unwrap(), &own),
    ];
    let opened = chacha.decrypt_batch(messages).await;
    assert!(opened[0].is_ok());
    let refused = CryptoErrorKind::Unsupported { field: "suite", value: 1 };
    assert_eq!(opened[1].as_ref().unwrap_err().kind(), &refused);
}

/// A transport plans its limits with it.
#[tokio::test]
async fn no_frame_is_longer_than_its_body_and_the_overhead_that_was_announced() {
    let (kms, clock) = (FakeKms::new("kms"), clock());
    let wrapped = keyring_provider(keyring(&kms, policy(), &clock), &clock, Suite::default());
    let named = named_provider(&CryptoConfig::default());
    for provider in [&wrapped, &named] {
        let frame = provider.encrypt(&[0; 1_000], &context()).await.unwrap().into_bytes();
        assert!(frame.len() <= 1_000 + provider.max_overhead_bytes());
    }
}
