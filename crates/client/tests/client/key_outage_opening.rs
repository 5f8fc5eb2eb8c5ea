//! A key service that is out while messages come in: they wait in the queue, and none is buried.

use std::sync::Arc;

use sealmq_client::{QueueClient, RejectionOutcome, RetryPolicy};
use sealmq_crypto_core::{CryptoErrorKind, KeyErrorKind};
use sealmq_keys_local::MemoryKms;
use sealmq_queue_core::Message;
use tokio::time::Instant;

use crate::support::{
    CANARY, MINUTE, SECOND, SwitchedKeys, SwitchedKms, World, next_opened, sealing, take_texts,
};

/// Every way in which a service can refuse that says nothing about the message.
fn outages() -> [KeyErrorKind; 4] {
    [
        KeyErrorKind::Unavailable,
        KeyErrorKind::Throttled { retry_after: Some(SECOND) },
        KeyErrorKind::Denied,
        KeyErrorKind::Disabled,
    ]
}

/// A receiver whose key service can be switched off and who has no key yet, and sealed messages.
async fn prepared(world: &World, messages: usize) -> (QueueClient, Arc<SwitchedKms>) {
    let kms = MemoryKms::new();
    let config = sealing().with_max_age(60 * MINUTE);
    let builder = world.keyless(config.clone()).with_key_management("main", Arc::new(kms.clone()));
    let sender = builder.build().unwrap();
    let batch = (0..messages).map(|n| Message::new(format!("{CANARY} {n}"))).collect();
    for sent in sender.send_batch(batch).await {
        sent.unwrap();
    }
    let switched = SwitchedKms::new(&kms);
    let receiver = world.keyless(config).with_key_management("main", switched.clone());
    (receiver.build().unwrap(), switched)
}

#[tokio::test(start_paused = true)]
async fn an_outage_gives_the_message_back_and_says_that_it_may_open_later() {
    for outage in outages() {
        let world = World::new();
        let (client, kms) = prepared(&world, 1).await;
        let sealed = world.the_stored();
        kms.switch.fail(outage.clone());
        let rejected = crate::support::next_rejected(&client).await;
        assert_eq!(rejected.error.kind(), &CryptoErrorKind::KeyUnavailable, "{outage:?}");
        assert!(rejected.error.is_retryable());
        assert!(matches!(rejected.outcome, RejectionOutcome::Abandoned { .. }));
        assert!(rejected.receipt.is_none());
        assert_eq!((&rejected.message, world.the_stored()), (&sealed, sealed.clone()));
        assert!(world.dead().is_empty());
        kms.switch.fail(None);
        tokio::time::sleep(SECOND).await;
        assert_eq!(next_opened(&client).await.body(), format!("{CANARY} 0").as_str());
    }
}

#[tokio::test(start_paused = true)]
async fn the_delay_doubles_up_to_the_longest_with_jitter() {
    let world = World::new();
    let (_, kms) = prepared(&world, 1).await;
    let retry = RetryPolicy::default().with_delays(SECOND, 60 * SECOND);
    let client = world.keyless(sealing().without_freshness()).with_retry(retry);
    let client = client.with_key_management("main", kms.clone()).build().unwrap();
    kms.switch.fail(KeyErrorKind::Unavailable);
    let mut delays = Vec::new();
    while delays.len() < 10 {
        for received in client.receive(1, MINUTE).await.unwrap() {
            match received.unwrap_err().outcome {
                RejectionOutcome::Abandoned { delay } => delays.push(delay),
                other => panic!("given back, but {other:?}"),
            }
        }
    }
    for (count, delay) in delays.iter().enumerate() {
        let longest = (SECOND * (1 << count)).min(60 * SECOND);
        assert!(*delay >= longest / 2 && *delay <= longest, "{delay:?} of {longest:?}");
    }
    let halves = delays.iter().skip(6).filter(|delay| delay.subsec_nanos() == 0).count();
    assert!(halves < 4, "some of the delays are drawn at random: {delays:?}");
}

/// A service that says how long it wants to be left alone is left alone that long.
#[tokio::test(start_paused = true)]
async fn the_delay_is_as_long_as_the_service_asks() {
    let world = World::new();
    let (client, kms) = prepared(&world, 1).await;
    kms.switch.fail(KeyErrorKind::Throttled { retry_after: Some(17 * SECOND) });
    let delay = 17 * SECOND;
    let outcome = crate::support::next_rejected(&client).await.outcome;
    assert_eq!(outcome, RejectionOutcome::Abandoned { delay });
}

/// Ten minutes, many messages: none in the dead-letter queue, and all of them open afterwards.
#[tokio::test(start_paused = true)]
async fn an_outage_of_ten_minutes_dead_letters_nothing() {
    const MESSAGES: usize = 1_000;
    let world = World::new();
    let (client, kms) = prepared(&world, MESSAGES).await;
    kms.switch.fail(KeyErrorKind::Unavailable);
    let end = Instant::now() + 10 * MINUTE;
    let mut deliveries = 0;
    while Instant::now() < end {
        for received in client.receive(100, SECOND).await.unwrap() {
            let rejected = received.unwrap_err();
            assert!(matches!(rejected.outcome, RejectionOutcome::Abandoned { .. }));
            deliveries += 1;
        }
    }
    assert_eq!((world.stored().len(), world.dead().len()), (MESSAGES, 0));
    let calls = kms.switch.calls();
    assert!(calls <= deliveries, "{calls} calls for {deliveries} deliveries");
    assert!(deliveries < 60 * MESSAGES, "each message comes ever more rarely: {deliveries}");

    kms.switch.fail(None);
    tokio::time::sleep(MINUTE).await;
    let mut texts = take_texts(&client, MESSAGES).await;
    texts.sort();
    let mut expected: Vec<_> = (0..MESSAGES).map(|n| format!("{CANARY} {n}")).collect();
    expected.sort();
    assert_eq!(texts, expected);
    assert!(world.dead().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_key_store_that_is_out_is_treated_alike() {
    for outage in outages() {
        let world = World::new();
        world.sealing().send(Message::new("body")).await.unwrap();
        let keys = SwitchedKeys::new(&world.keys);
        let client = world.keyless(sealing()).with_key_provider(keys.clone()).build().unwrap();
        keys.switch.fail(outage);
        let rejected = crate::support::next_rejected(&client).await;
        assert_eq!(rejected.error.kind(), &CryptoErrorKind::KeyUnavailable);
        assert!(matches!(rejected.outcome, RejectionOutcome::Abandoned { .. }));
        keys.switch.fail(None);
        tokio::time::sleep(SECOND).await;
        assert_eq!(next_opened(&client).await.body(), "body");
    }
}

/// What is about the message is permanent even while the service is reachable again and again.
#[tokio::test(start_paused = true)]
async fn a_key_that_is_gone_dead_letters_with_its_code() {
    let world = World::new();
    let (client, kms) = prepared(&world, 1).await;
    let sealed = world.the_stored();
    kms.switch.fail(KeyErrorKind::KeyNotFound);
    let rejected = crate::support::next_rejected(&client).await;
    assert_eq!(rejected.outcome, RejectionOutcome::DeadLettered);
    assert_eq!(world.the_dead(), (sealed, "key_not_found".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_wrapped_key_that_does_not_unwrap_counts_as_tampering() {
    for kind in
        [KeyErrorKind::ContextMismatch, KeyErrorKind::Malformed, KeyErrorKind::WrongKeyVersion]
    {
        let world = World::new();
        let (client, kms) = prepared(&world, 1).await;
        kms.switch.fail(kind);
        crate::support::next_rejected(&client).await;
        assert_eq!(world.the_dead().1, "authentication_failed");
    }
}

/// Keys that were fetched before go on opening while the service is out.
#[tokio::test(start_paused = true)]
async fn cached_keys_open_through_an_outage() {
    let world = World::new();
    let (client, kms) = prepared(&world, 3).await;
    next_opened(&client).await.complete().await.unwrap();
    kms.switch.fail(KeyErrorKind::Unavailable);
    let before = kms.switch.calls();
    take_texts(&client, 2).await;
    assert_eq!(kms.switch.calls(), before);
}

/// A bad message behind an outage: it is judged when the key is there, and not before.
#[tokio::test(start_paused = true)]
async fn a_tampered_message_waits_for_the_key_and_is_refused_then() {
    let world = World::new();
    let (client, kms) = prepared(&world, 1).await;
    world.tamper(|message| message.id = "changed".into()).await;
    kms.switch.fail(KeyErrorKind::Unavailable);
    assert!(crate::support::next_rejected(&client).await.error.is_retryable());
    kms.switch.fail(None);
    tokio::time::sleep(SECOND).await;
    crate::support::next_rejected(&client).await;
    assert_eq!(world.the_dead().1, "authentication_failed");
}
