//! A service that is out, or silent, beside one that answers: what it costs, and whom.

use std::sync::Arc;
use std::time::Duration;

use sealmq_crypto_core::format::WrappedDekRef;
use sealmq_crypto_core::{
    AesGcmCryptoProvider, CryptoProvider, EncryptedMessage, KeyErrorKind, KeyManagementService,
    Keyring, ManualClock, Suite,
};

use crate::support::{
    FakeKms, alias, clock, context, keyring, keyring_provider, policy, started, until, wrap_context,
};

/// How long a service that failed is asked after the others.
const AVOIDED: Duration = Duration::from_secs(30);

/// A receiver with two services, and what senders sealed under both.
struct Pair {
    one: Arc<FakeKms>,
    two: Arc<FakeKms>,
    clock: Arc<ManualClock>,
    receiver: Arc<AesGcmCryptoProvider>,
}

impl Pair {
    fn new() -> Self {
        let (one, two, clock) = (FakeKms::new("kek-1"), FakeKms::new("kek-2"), clock());
        let receiver = Arc::new(provider_of(&one, &two, &clock));
        Self { one, two, clock, receiver }
    }

    /// A message of a sender that nobody heard of before.
    async fn sealed(&self) -> EncryptedMessage {
        let sender = provider_of(&self.one, &self.two, &self.clock);
        sender.encrypt(b"body", &context()).await.unwrap()
    }

    async fn opens(&self, message: &EncryptedMessage) {
        self.receiver.decrypt(message.clone(), &context()).await.unwrap();
    }

    /// How often each service was asked to unwrap.
    fn unwraps(&self) -> [usize; 2] {
        [&self.one, &self.two].map(|service| service.count("decrypt_dek"))
    }
}

fn provider_of(
    one: &Arc<FakeKms>,
    two: &Arc<FakeKms>,
    clock: &Arc<ManualClock>,
) -> AesGcmCryptoProvider {
    let keyring = Keyring::builder()
        .kek(alias("kek-1"), one.clone())
        .kek(alias("kek-2"), two.clone())
        .policy(policy())
        .clock(clock.clone());
    keyring_provider(keyring.build().unwrap(), clock, Suite::default())
}

#[tokio::test]
async fn a_dek_that_another_service_unwrapped_is_not_asked_for_again() {
    let pair = Pair::new();
    let message = pair.sealed().await;
    pair.one.fail(Some(KeyErrorKind::Unavailable));
    for _ in 0..100 {
        pair.opens(&message).await;
    }
    assert_eq!(pair.unwraps(), [1, 1]);
    // Nor when it has to be read anew: the service that had it is asked.
    pair.clock.advance(policy().soft_age);
    pair.opens(&message).await;
    assert_eq!(pair.unwraps(), [1, 2]);
}

#[tokio::test]
async fn a_service_that_failed_is_asked_after_the_others_for_a_while() {
    let pair = Pair::new();
    let mut messages = Vec::new();
    for _ in 0..12 {
        messages.push(pair.sealed().await);
    }
    pair.one.fail(Some(KeyErrorKind::Throttled { retry_after: None }));
    for message in &messages[..4] {
        pair.opens(message).await;
    }
    assert_eq!(pair.unwraps(), [1, 4], "it was asked once");
    pair.clock.advance(AVOIDED);
    for message in &messages[4..8] {
        pair.opens(message).await;
    }
    assert_eq!(pair.unwraps(), [2, 8], "and once more");
    pair.one.fail(None);
    pair.clock.advance(AVOIDED);
    for message in &messages[8..] {
        pair.opens(message).await;
    }
    assert_eq!(pair.unwraps(), [6, 8], "it comes first again");
}

/// While one message finds out whether it answers again, the others do not wait for that.
#[tokio::test]
async fn one_message_alone_waits_for_a_service_that_was_out() {
    let pair = Pair::new();
    let mut messages = Vec::new();
    for _ in 0..9 {
        messages.push(pair.sealed().await);
    }
    pair.one.fail(Some(KeyErrorKind::Unavailable));
    pair.opens(&messages[0]).await;
    pair.clock.advance(AVOIDED);
    pair.one.hold();
    let open = |message: &EncryptedMessage| {
        let (receiver, message) = (Arc::clone(&pair.receiver), message.clone());
        started(async move { receiver.decrypt(message, &context()).await })
    };
    let waiting = open(&messages[1]).await;
    for message in &messages[2..] {
        assert!(open(message).await.is_finished());
    }
    assert!(!waiting.is_finished());
    pair.one.release();
    waiting.await.unwrap().unwrap();
    assert_eq!(pair.unwraps(), [2, 9]);
}

/// A refusal is an answer: the service is there.
#[tokio::test]
async fn a_service_that_refuses_is_not_avoided() {
    let pair = Pair::new();
    let (first, second) = (pair.sealed().await, pair.sealed().await);
    pair.one.fail(Some(KeyErrorKind::ContextMismatch));
    pair.opens(&first).await;
    pair.one.fail(None);
    pair.opens(&second).await;
    assert_eq!(pair.unwraps(), [2, 1]);
}

#[tokio::test]
async fn a_silent_service_takes_no_place_from_another() {
    let (silent, other) = (FakeKms::new("kek-1"), FakeKms::new("kek-2"));
    let mut policy = policy();
    policy.max_concurrent_calls = 2;
    let keyring = Keyring::builder()
        .kek(alias("kek-1"), silent.clone())
        .kek(alias("kek-2"), other.clone())
        .policy(policy)
        .build()
        .unwrap();
    let open = |service: Arc<FakeKms>, alias: &'static str| {
        let keyring = keyring.clone();
        async move {
            let context = wrap_context("tenant-a", "orders");
            let wrapped = service.generate_dek(&context).await.unwrap().wrapped;
            let form = [WrappedDekRef { kek_alias: alias, wrapped: &wrapped }];
            keyring.opening_key(&context, Suite::default(), &form).await.map(drop)
        }
    };
    let mut waiting = Vec::new();
    for _ in 0..5 {
        waiting.push(tokio::spawn(open(silent.clone(), "kek-1")));
    }
    until(|| silent.count("generate_dek") == 5).await;
    silent.hold();
    until(|| silent.count("decrypt_dek") == 2).await;
    open(other, "kek-2").await.unwrap();
    assert_eq!(silent.count("decrypt_dek"), 2, "the rest waits for a place");
    silent.release();
    for opened in waiting {
        opened.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn the_keys_of_a_batch_are_asked_for_side_by_side_and_each_once() {
    let (kms, clock, context) = (FakeKms::new("kms"), clock(), context());
    let of_our_own = || keyring_provider(keyring(&kms, policy(), &clock), &clock, Suite::default());
    let mut messages = Vec::new();
    for sender in [(); 10].map(|()| of_our_own()) {
        messages.push(sender.encrypt(b"one", &context).await.unwrap());
        messages.push(sender.encrypt(b"another", &context).await.unwrap());
    }
    // Those of one sender next to each other, and apart.
    for order in [(0..20).collect(), (0..20).step_by(2).chain((0..20).skip(1).step_by(2)).collect()]
    {
        let order: Vec<usize> = order;
        let before = kms.count("decrypt_dek");
        kms.hold();
        let (receiver, context) = (of_our_own(), context.clone());
        let batch: Vec<_> = order.iter().map(|n| messages[*n].clone()).collect();
        let opening = started(async move {
            receiver.decrypt_batch(batch.into_iter().map(|m| (m, &context)).collect()).await
        });
        let opening = opening.await;
        assert_eq!(kms.count("decrypt_dek") - before, 10, "all of them wait at once");
        kms.release();
        let opened = opening.await.unwrap();
        assert_eq!(kms.count("decrypt_dek") - before, 10, "each was asked for once");
        for (n, opened) in order.into_iter().zip(opened) {
            let expected = ["one", "another"][n % 2];
            assert_eq!(opened.unwrap().danger_release_at_any_age(), expected);
        }
    }
}

/// A message that nothing opens costs its batch nothing.
#[tokio::test]
async fn a_key_that_cannot_be_had_fails_its_own_messages_alone() {
    let pair = Pair::new();
    let (good, lost) = (pair.sealed().await, FakeKms::new("lost"));
    let sender = provider_of(&lost, &lost, &pair.clock);
    let stranger = sender.encrypt(b"body", &context()).await.unwrap();
    let context = context();
    let batch = [&good, &stranger, &good].map(|message| (message.clone(), &context)).to_vec();
    let opened = pair.receiver.decrypt_batch(batch).await;
    let opens: Vec<_> = opened.iter().map(Result::is_ok).collect();
    assert_eq!(opens, [true, false, true]);
}
