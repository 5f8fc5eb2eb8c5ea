//! A DEK seals no more messages, no more bytes and no longer than its caps say.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use sealmq_crypto_core::{
    CryptoProvider, KeyError, KeyErrorKind, Keyring, KeyringPolicy, ManualClock, MessageKey, Suite,
};

use crate::support::{
    FakeKms, assert_invalid, clock, context, keyring, keyring_provider, policy, wrap_context,
};

struct Fixture {
    kms: Arc<FakeKms>,
    clock: Arc<ManualClock>,
    keyring: Keyring,
}

impl Fixture {
    fn new(max_messages: u64, max_bytes: u64) -> Self {
        let (kms, clock, mut policy) = (FakeKms::new("kms"), clock(), policy());
        (policy.max_messages, policy.max_bytes) = (max_messages, max_bytes);
        let keyring = keyring(&kms, policy, &clock);
        Self { kms, clock, keyring }
    }

    async fn take(&self, messages: u64, bytes: u64) -> Result<Arc<MessageKey>, KeyError> {
        let context = wrap_context("tenant-a", "orders");
        self.keyring.sealing_key(&context, Suite::default(), messages, bytes).await
    }

    /// One DEK is there, and no successor will be.
    async fn with_its_only_dek(self) -> Self {
        self.take(0, 0).await.unwrap();
        self.kms.fail(Some(KeyErrorKind::Unavailable));
        self
    }
}

fn is_unavailable(result: Result<Arc<MessageKey>, KeyError>) -> bool {
    matches!(result.unwrap_err().kind(), KeyErrorKind::Unavailable)
}

#[tokio::test]
async fn a_dek_seals_its_cap_of_messages_and_not_one_more() {
    let fixture = Fixture::new(100, 1 << 30).with_its_only_dek().await;
    for message in 1..=100 {
        fixture.take(1, 0).await.unwrap_or_else(|_| panic!("message {message}"));
    }
    assert!(is_unavailable(fixture.take(1, 0).await), "message 101");
    fixture.kms.fail(None);
    fixture.take(1, 0).await.expect("a new DEK");
    assert_eq!(fixture.kms.handles().len(), 2);
}

#[tokio::test]
async fn a_dek_seals_its_cap_of_bytes_and_not_one_more() {
    let fixture = Fixture::new(1 << 20, 1_000).with_its_only_dek().await;
    fixture.take(1, 999).await.expect("byte 999");
    fixture.take(1, 1).await.expect("byte 1,000");
    fixture.take(1, 0).await.expect("an empty body");
    assert!(is_unavailable(fixture.take(1, 1).await), "byte 1,001");
}

#[tokio::test]
async fn a_dek_seals_until_its_hard_age_and_not_a_millisecond_longer() {
    let fixture = Fixture::new(1 << 20, 1 << 30).with_its_only_dek().await;
    fixture.clock.advance(policy().hard_age - Duration::from_millis(1));
    fixture.take(1, 1).await.expect("a millisecond before its hard age");
    fixture.clock.advance(Duration::from_millis(1));
    assert!(is_unavailable(fixture.take(1, 1).await), "at its hard age");
}

#[tokio::test]
async fn a_dek_is_replaced_from_its_soft_age_on_and_not_earlier() {
    let fixture = Fixture::new(1 << 20, 1 << 30);
    let first = fixture.take(1, 1).await.unwrap();
    fixture.clock.advance(policy().soft_age - Duration::from_millis(1));
    assert!(Arc::ptr_eq(&first, &fixture.take(1, 1).await.unwrap()));
    assert_eq!(fixture.kms.count("generate_dek"), 1);
    fixture.clock.advance(Duration::from_millis(1));
    fixture.take(1, 1).await.unwrap();
    assert!(!Arc::ptr_eq(&first, &fixture.take(1, 1).await.unwrap()));
    assert_eq!(fixture.kms.count("generate_dek"), 2);
}

#[tokio::test]
async fn a_dek_with_a_small_cap_is_replaced_exactly_when_it_is_used_up() {
    let fixture = Fixture::new(3, 1 << 30);
    let mut keys = Vec::new();
    for _ in 0..7 {
        keys.push(fixture.take(1, 0).await.unwrap());
    }
    assert_eq!(seals_by_dek(&keys), [1, 3, 3]);
}

/// How many seals each DEK was taken for, in ascending order.
fn seals_by_dek(keys: &[Arc<MessageKey>]) -> Vec<usize> {
    let mut seals = HashMap::new();
    for key in keys {
        *seals.entry(Arc::as_ptr(key)).or_insert(0) += 1;
    }
    let mut seals: Vec<_> = seals.into_values().collect();
    seals.sort_unstable();
    seals
}

#[test]
fn sixty_four_threads_exceed_a_cap_that_is_checked_and_then_counted() {
    let (used, cap, all_have_checked) = (AtomicU64::new(0), 50, Barrier::new(64));
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                let has_room = used.load(Ordering::SeqCst) < cap;
                all_have_checked.wait();
                used.fetch_add(u64::from(has_room), Ordering::SeqCst);
            });
        }
    });
    assert!(used.into_inner() > cap);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn sixty_four_concurrent_sealers_never_exceed_the_cap_of_any_dek() {
    const CAP: u64 = 50;
    let fixture = Arc::new(Fixture::new(CAP, 1 << 30));
    let sealers: Vec<_> = (0..64)
        .map(|_| {
            let fixture = Arc::clone(&fixture);
            tokio::spawn(async move {
                let mut keys = Vec::new();
                for _ in 0..100 {
                    keys.push(fixture.take(1, 10).await.unwrap());
                }
                keys
            })
        })
        .collect();
    let mut keys = Vec::new();
    for sealer in sealers {
        keys.extend(sealer.await.unwrap());
    }
    assert_eq!(keys.len(), 6_400);
    let seals = seals_by_dek(&keys);
    assert!(seals.iter().all(|seals| *seals <= CAP as usize), "{seals:?}");
}

#[tokio::test]
async fn a_batch_larger_than_what_is_left_of_a_dek_goes_to_the_next_as_a_whole() {
    for (first, second) in [((6, 0), (5, 0)), ((1, 600), (1, 500))] {
        let fixture = Fixture::new(10, 1_000);
        let one = fixture.take(first.0, first.1).await.unwrap();
        let two = fixture.take(second.0, second.1).await.unwrap();
        assert!(!Arc::ptr_eq(&one, &two));
        assert_eq!(fixture.kms.count("generate_dek"), 2);
    }
}

#[tokio::test]
async fn a_batch_of_exactly_the_cap_fits_a_fresh_dek() {
    Fixture::new(10, 1_000).take(10, 1_000).await.unwrap();
}

#[tokio::test]
async fn a_batch_larger_than_the_cap_is_refused_before_the_service_is_called() {
    let fixture = Fixture::new(10, 1_000);
    for (messages, bytes) in [(11, 0), (1, 1_001), (u64::MAX, 0), (1, u64::MAX)] {
        let error = fixture.take(messages, bytes).await.unwrap_err();
        assert_eq!(error.kind(), &KeyErrorKind::InvalidInput { field: "batch" });
    }
    assert_eq!(fixture.kms.calls(), 0);
}

#[tokio::test]
async fn a_body_larger_than_the_cap_is_refused_before_the_service_is_called() {
    let fixture = Fixture::new(10, 1_000);
    let provider = keyring_provider(fixture.keyring, &fixture.clock, Suite::default());
    assert_invalid(provider.encrypt(&[0; 1_001], &context()).await, "batch");
    assert_eq!(fixture.kms.calls(), 0);
    provider.encrypt(&[0; 1_000], &context()).await.expect("the control");
}

#[test]
fn no_policy_may_allow_more_than_the_cipher_does() {
    type Change = fn(&mut KeyringPolicy);
    let acceptable: [Change; 4] = [
        |policy| policy.max_messages = 1 << 24,
        |policy| policy.max_bytes = 1 << 38,
        |policy| policy.soft_age = policy.hard_age,
        |policy| policy.unknown_key_ttl = Duration::from_secs(30),
    ];
    for change in acceptable {
        let mut policy = KeyringPolicy::default();
        change(&mut policy);
        policy.validate().unwrap();
    }
    let excessive: [(Change, &str); 9] = [
        (|policy| policy.max_messages = (1 << 24) + 1, "max_messages"),
        (|policy| policy.max_messages = 0, "max_messages"),
        (|policy| policy.max_bytes = (1 << 38) + 1, "max_bytes"),
        (|policy| policy.max_bytes = 0, "max_bytes"),
        (|policy| policy.soft_age = policy.hard_age + Duration::from_millis(1), "soft_age"),
        (|policy| policy.soft_age = Duration::ZERO, "soft_age"),
        (|policy| policy.cache_capacity = 0, "cache_capacity"),
        (|policy| policy.unknown_key_ttl = Duration::from_millis(30_001), "unknown_key_ttl"),
        (|policy| policy.max_concurrent_calls = 0, "max_concurrent_calls"),
    ];
    for (change, field) in excessive {
        let mut policy = KeyringPolicy::default();
        change(&mut policy);
        assert_invalid(policy.validate(), field);
        let built = Keyring::builder().kek(crate::support::alias("k"), FakeKms::new("kms"));
        assert_invalid(built.policy(policy).build(), field);
    }
}
