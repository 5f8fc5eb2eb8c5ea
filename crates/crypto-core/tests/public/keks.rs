//! Several KEKs: any of them opens, none is dialled that is not configured, few calls at once.

use std::sync::Arc;

use futures_util::future::join_all;
use sealmq_crypto_core::format::{Frame, KeyReference, WrappedDekRef};
use sealmq_crypto_core::{
    AesGcmCryptoProvider, CryptoErrorKind, CryptoProvider, EncryptedMessage, KeyErrorKind,
    KeyManagementService, Keyring, KeyringBuilder, Suite,
};

use crate::support::{
    FakeKms, alias, assert_invalid, assert_unauthentic, clock, context, keyring_provider, policy,
    wrap_context,
};

const ALIASES: [&str; 4] = ["kek-1", "kek-2", "kek-3", "kek-4"];

fn services() -> [Arc<FakeKms>; 4] {
    ALIASES.map(FakeKms::new)
}

/// A provider over these services under their own aliases.
fn provider(services: &[(&str, &Arc<FakeKms>)]) -> AesGcmCryptoProvider {
    let clock = clock();
    let keyring = builder(services).clock(clock.clone()).build().unwrap();
    keyring_provider(keyring, &clock, Suite::default())
}

fn builder(services: &[(&str, &Arc<FakeKms>)]) -> KeyringBuilder {
    let mut builder = Keyring::builder().policy(policy());
    for (name, service) in services {
        builder = builder.kek(alias(name), Arc::clone(service) as Arc<dyn KeyManagementService>);
    }
    builder
}

async fn sealed_by(services: &[(&str, &Arc<FakeKms>)]) -> EncryptedMessage {
    provider(services).encrypt(b"body", &context()).await.unwrap()
}

#[test]
fn a_keyring_has_one_to_four_keks_of_different_aliases() {
    let kms = FakeKms::new("kms");
    let all = ["a", "b", "c", "d", "e"].map(|name| (name, &kms));
    builder(&all[..1]).build().expect("one");
    builder(&all[..4]).build().expect("four");
    assert_invalid(builder(&all).build(), "keks");
    assert_invalid(builder(&[]).build(), "keks");
    assert_invalid(builder(&[("a", &kms), ("b", &kms), ("a", &kms)]).build(), "keks");
}

#[tokio::test]
async fn a_message_sealed_under_four_keks_opens_with_any_one_of_them() {
    let [one, two, three, four] = services();
    let all = [("kek-1", &one), ("kek-2", &two), ("kek-3", &three), ("kek-4", &four)];
    let message = sealed_by(&all).await;
    let frame = Frame::parse(message.as_bytes()).unwrap();
    let KeyReference::Wrapped(deks) = frame.key_reference() else {
        panic!("not a wrapped reference");
    };
    assert_eq!(deks.iter().map(|dek| dek.kek_alias).collect::<Vec<_>>(), ALIASES);
    for only in all {
        let opened = provider(&[only]).decrypt(message.clone(), &context()).await.unwrap();
        assert_eq!(opened.danger_release_at_any_age(), "body", "{}", only.0);
    }
}

#[tokio::test]
async fn while_the_first_service_is_down_messages_open_through_the_second() {
    let [one, two, ..] = services();
    let both = [("kek-1", &one), ("kek-2", &two)];
    let message = sealed_by(&both).await;
    one.fail(Some(KeyErrorKind::Unavailable));
    provider(&both).decrypt(message.clone(), &context()).await.unwrap();

    // The control: a receiver that has the first KEK alone waits for its service.
    let error = provider(&both[..1]).decrypt(message, &context()).await.unwrap_err();
    assert_eq!(error.kind(), &CryptoErrorKind::KeyUnavailable);
}

#[tokio::test]
async fn while_one_service_is_down_the_refusal_of_another_is_not_final() {
    let [one, two, ..] = services();
    for (down, refusing) in [(&one, &two), (&two, &one)] {
        let both = [("kek-1", &one), ("kek-2", &two)];
        let message = sealed_by(&both).await;
        down.fail(Some(KeyErrorKind::Unavailable));
        refusing.fail(Some(KeyErrorKind::ContextMismatch));
        let error = provider(&both).decrypt(message, &context()).await.unwrap_err();
        assert!(error.is_retryable(), "the message may yet open");
        down.fail(None);
        refusing.fail(None);
    }
}

#[tokio::test]
async fn damage_to_one_wrapped_form_is_survived_by_another_and_to_both_is_not() {
    let [one, two, ..] = services();
    let both = [("kek-1", &one), ("kek-2", &two)];
    let mut frame = sealed_by(&both).await.into_bytes().to_vec();
    let wrapped_at = |name: &[u8]| {
        let at = frame.windows(name.len()).position(|window| window == name).unwrap();
        at + name.len() - 1
    };
    let (first, second) = (wrapped_at(b"fake:kek-1:0"), wrapped_at(b"fake:kek-2:0"));
    frame[first] ^= 1;
    let damaged = EncryptedMessage::parse(frame.clone()).unwrap();
    provider(&both).decrypt(damaged, &context()).await.expect("through the second");
    frame[second] ^= 1;
    let damaged = EncryptedMessage::parse(frame).unwrap();
    assert_unauthentic(provider(&both).decrypt(damaged, &context()).await, "both damaged");
}

#[tokio::test]
async fn nothing_is_sealed_while_one_of_the_keks_cannot_wrap() {
    let [one, two, ..] = services();
    two.fail(Some(KeyErrorKind::Unavailable));
    let provider = provider(&[("kek-1", &one), ("kek-2", &two)]);
    let error = provider.encrypt(b"body", &context()).await.unwrap_err();
    assert!(error.is_retryable());
    two.fail(None);
    provider.encrypt(b"body", &context()).await.unwrap();
}

#[tokio::test]
async fn a_kek_alias_like_an_address_is_never_dialled() {
    let (attacker, own) = (FakeKms::new("attacker"), FakeKms::new("own"));
    for address in [
        "https://attacker.example/kms",
        "arn:aws:kms:eu-1:123456789012:key/attacker",
        "/var/run/attacker.sock",
        "../kek-1",
        "KEK-1",
        "kek-1 ",
    ] {
        let message = sealed_by(&[(address, &attacker)]).await;
        let receiver = provider(&[("kek-1", &own)]);
        let error = receiver.decrypt(message, &context()).await.unwrap_err();
        let expected = CryptoErrorKind::KeyNotFound { key_id: address.into() };
        assert_eq!(error.kind(), &expected);
    }
    assert_eq!(own.calls(), 0, "nor was our own service asked about it");
    assert_eq!(attacker.count("decrypt_dek"), 0);
}

/// How many calls were under way at once when fifty DEKs were asked for at once.
async fn most_calls_at_once(max_concurrent_calls: usize) -> usize {
    let (kms, mut policy) = (FakeKms::new("kms"), policy());
    policy.max_concurrent_calls = max_concurrent_calls;
    let keyring = builder(&[("kek-1", &kms)]).policy(policy).build().unwrap();
    let context = wrap_context("tenant-a", "orders");
    let mut wrapped = Vec::new();
    for _ in 0..50 {
        wrapped.push(kms.generate_dek(&context).await.unwrap().wrapped);
    }
    let opens = wrapped.iter().map(async |wrapped| {
        let reference = [WrappedDekRef { kek_alias: "kek-1", wrapped }];
        keyring.opening_key(&context, Suite::default(), &reference).await.unwrap();
    });
    join_all(opens).await;
    kms.most_running()
}

#[tokio::test]
async fn no_more_calls_are_under_way_at_once_than_the_policy_allows() {
    assert_eq!(most_calls_at_once(50).await, 50, "the control has no need to wait");
    assert_eq!(most_calls_at_once(3).await, 3);
}

#[tokio::test]
async fn the_cap_on_calls_holds_for_sealing_too() {
    let (kms, mut policy) = (FakeKms::new("kms"), policy());
    policy.max_concurrent_calls = 2;
    let keyring = builder(&[("kek-1", &kms)]).policy(policy).build().unwrap();
    let contexts: Vec<_> = (0..20).map(|n| wrap_context(&format!("t{n}"), "orders")).collect();
    let seals = contexts.iter().map(async |context| {
        keyring.sealing_key(context, Suite::default(), 1, 1).await.unwrap();
    });
    join_all(seals).await;
    assert_eq!(kms.most_running(), 2);
}
