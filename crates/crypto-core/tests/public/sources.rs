//! What a provider asks the sources of its keys beside messages: self-tests, health, the end.

use std::sync::Arc;

use sealmq_crypto_core::{
    AesGcmCryptoProvider, CryptoErrorKind, CryptoProvider, KeyErrorKind, KeyManagementService,
    Keyring, ManualClock, Suite,
};

use crate::support::{
    FakeKms, FakeStore, KEY_ID, Switchboard, alias, clock, context, keyring_provider, named_keys,
    policy, scope, scope_of,
};

/// A provider over two services and a store.
struct Sources {
    one: Arc<FakeKms>,
    two: Arc<FakeKms>,
    store: Arc<FakeStore>,
    clock: Arc<ManualClock>,
    provider: AesGcmCryptoProvider,
}

impl Sources {
    fn new() -> Self {
        let (one, two) = (FakeKms::new("one"), FakeKms::new("two"));
        let (store, clock) = (FakeStore::with_key(KEY_ID, 7), clock());
        let keyring = Keyring::builder()
            .kek(alias("kek-1"), one.clone())
            .kek(alias("kek-2"), two.clone())
            .policy(policy())
            .clock(clock.clone());
        let provider = AesGcmCryptoProvider::builder()
            .keyring(keyring.build().unwrap())
            .named_keys(named_keys(&store, &clock))
            .clock(clock.clone());
        let provider = provider.build().unwrap();
        Self { one, two, store, clock, provider }
    }

    fn all(&self) -> [&Switchboard; 3] {
        [&self.one, &self.two, &self.store]
    }

    async fn seals(&self) -> bool {
        self.provider.encrypt(b"body", &context()).await.is_ok()
    }
}

/// A provider over a store alone.
fn over(store: &Arc<FakeStore>, clock: &Arc<ManualClock>) -> AesGcmCryptoProvider {
    let named = named_keys(store, clock);
    AesGcmCryptoProvider::builder().named_keys(named).clock(clock.clone()).build().unwrap()
}

fn outage() -> Option<KeyErrorKind> {
    Some(KeyErrorKind::Unavailable)
}

#[tokio::test]
async fn health_asks_every_source_whatever_is_cached() {
    let sources = Sources::new();
    assert!(sources.seals().await);
    sources.provider.health().await.unwrap();
    for source in sources.all() {
        source.fail(outage());
        let error = sources.provider.health().await.unwrap_err();
        assert_eq!(error.kind(), &CryptoErrorKind::KeyUnavailable);
        source.fail(None);
    }
    sources.provider.health().await.unwrap();
}

#[tokio::test]
async fn one_source_that_answers_is_enough_to_open_some_message() {
    let sources = Sources::new();
    for answers in 0..8 {
        for (n, source) in sources.all().into_iter().enumerate() {
            source.fail(if answers & (1 << n) == 0 { outage() } else { None });
        }
        assert_eq!(sources.provider.any_source_answers().await, answers != 0, "{answers:03b}");
    }
}

#[tokio::test]
async fn sources_that_are_not_there_answer_nothing() {
    let (store, kms, clock) = (FakeStore::with_key(KEY_ID, 7), FakeKms::new("kms"), clock());
    let keyring = Keyring::builder().kek(alias("kek-1"), kms.clone()).build().unwrap();
    let alone = [
        (over(&store, &clock), &**store),
        (keyring_provider(keyring, &clock, Suite::default()), &**kms),
    ];
    for (provider, source) in alone {
        assert!(provider.any_source_answers().await);
        provider.health().await.unwrap();
        source.fail(outage());
        assert!(!provider.any_source_answers().await);
        provider.health().await.unwrap_err();
    }
}

#[tokio::test]
async fn a_scope_seals_from_the_cache_once_its_dek_is_there_and_until_its_hard_age() {
    let sources = Sources::new();
    let other = scope_of(Some("production"), Some("tenant-b"), "orders");
    assert!(!sources.provider.seals_from_cache(&scope()));
    assert!(sources.seals().await);
    assert!(sources.provider.seals_from_cache(&scope()));
    assert!(!sources.provider.seals_from_cache(&other));
    sources.clock.advance(policy().hard_age);
    assert!(!sources.provider.seals_from_cache(&scope()));

    let (store, clock) = (FakeStore::with_key(KEY_ID, 7), clock());
    let named = over(&store, &clock);
    assert!(!named.seals_from_cache(&scope()));
    named.encrypt(b"body", &context()).await.unwrap();
    assert!(named.seals_from_cache(&scope()) && named.seals_from_cache(&other));
    clock.advance(policy().hard_age);
    assert!(!named.seals_from_cache(&scope()));
}

/// Keys that are cached prove nothing about their source.
#[tokio::test]
async fn a_self_test_asks_the_source_that_seals() {
    let sources = Sources::new();
    assert!(sources.seals().await);
    sources.provider.self_test(&scope()).await.unwrap();
    for source in [&sources.one, &sources.two] {
        source.fail(outage());
        sources.provider.self_test(&scope()).await.unwrap_err();
        source.fail(None);
    }
    let (store, clock) = (FakeStore::with_key(KEY_ID, 7), clock());
    let named = over(&store, &clock);
    named.encrypt(b"body", &context()).await.unwrap();
    named.self_test(&scope()).await.unwrap();
    store.fail(outage());
    named.self_test(&scope()).await.unwrap_err();
}

/// Such a sender would work all day, and none of its messages would ever open.
#[tokio::test]
async fn a_self_test_finds_a_service_that_unwraps_something_else() {
    let kms = FakeKms::new("kms");
    let keyring = Keyring::builder().kek(alias("kek-1"), kms.clone()).build().unwrap();
    let provider = keyring_provider(keyring, &clock(), Suite::default());
    provider.self_test(&scope()).await.unwrap();
    kms.confuse();
    provider.encrypt(b"body", &context()).await.unwrap();
    let error = provider.self_test(&scope()).await.unwrap_err();
    let reason = std::error::Error::source(&error).unwrap().to_string();
    assert!(reason.contains("kek-1 unwrapped another DEK"), "{reason}");
}

#[tokio::test]
async fn the_end_closes_every_source_and_forgets_every_key() {
    let sources = Sources::new();
    assert!(sources.seals().await);
    let before = sources.one.count("generate_dek");
    sources.one.fail(outage());
    sources.provider.close().await.unwrap_err();
    assert_eq!(sources.all().map(Switchboard::closed), [1, 1, 1], "one failure leaves none open");
    sources.one.fail(None);
    assert!(sources.seals().await);
    assert_eq!(sources.one.count("generate_dek"), before + 1, "nothing was remembered");
    sources.provider.close().await.unwrap();

    let (store, clock) = (FakeStore::with_key(KEY_ID, 7), clock());
    let named = over(&store, &clock);
    named.encrypt(b"body", &context()).await.unwrap();
    named.close().await.unwrap();
    assert!(store.closed() == 1 && !named.seals_from_cache(&scope()));
    store.fail(outage());
    named.encrypt(b"body", &context()).await.unwrap_err();
    named.close().await.unwrap_err();
}

/// The longest key id there may be makes the longest frame.
#[tokio::test]
async fn the_most_overhead_is_that_of_the_longest_key_id() {
    let (longest, clock) = ("k".repeat(64), clock());
    let provider = over(&FakeStore::with_key(&longest, 7), &clock);
    let sealed = provider.encrypt(&[0; 1_000], &context()).await.unwrap();
    assert_eq!(sealed.as_bytes().len(), 1_000 + provider.max_overhead_bytes());
}

/// And the longest wrapped forms there may be: handles of this double have 14 bytes and its name.
#[tokio::test]
async fn the_most_overhead_is_that_of_the_longest_wrapped_forms() {
    let (one, two) = (FakeKms::new(&"1".repeat(50)), FakeKms::new(&"2".repeat(50)));
    assert_eq!(one.capabilities().max_wrapped_len, 64);
    let keyring = Keyring::builder().kek(alias("kek-1"), one).kek(alias("another-kek"), two);
    let provider = keyring_provider(keyring.build().unwrap(), &clock(), Suite::default());
    let sealed = provider.encrypt(&[0; 1_000], &context()).await.unwrap();
    assert_eq!(sealed.as_bytes().len(), 1_000 + provider.max_overhead_bytes());
}
