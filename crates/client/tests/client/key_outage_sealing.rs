//! A key service that is out while messages go out: retried with back-off, then given back.

use std::sync::Arc;
use std::time::Duration;

use sealmq_client::{ClientErrorKind, QueueClient, RetryPolicy};
use sealmq_crypto_core::{CryptoErrorKind, KeyErrorKind};
use sealmq_keys_local::MemoryKms;
use sealmq_queue_core::Message;
use tokio::time::Instant;

use crate::support::attack::rich_message;
use crate::support::{
    MINUTE, Metrics, QUEUE, SECOND, SwitchedKeys, SwitchedKms, World, next_opened, sealing,
};

fn prepared(world: &World, retry: RetryPolicy) -> (QueueClient, Arc<SwitchedKms>) {
    let kms = SwitchedKms::new(&MemoryKms::new());
    let builder = world.keyless(sealing()).with_key_management("main", kms.clone());
    (builder.with_retry(retry).build().unwrap(), kms)
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_sealed_comes_back_unchanged() {
    for outage in [
        KeyErrorKind::Unavailable,
        KeyErrorKind::Throttled { retry_after: None },
        KeyErrorKind::Denied,
        KeyErrorKind::Disabled,
    ] {
        let world = World::new();
        let (client, kms) = prepared(&world, RetryPolicy::default());
        kms.switch.fail(outage.clone());
        let failed = client.send(rich_message()).await.unwrap_err();
        assert_eq!(failed.error.kind(), &ClientErrorKind::Crypto(CryptoErrorKind::KeyUnavailable));
        assert!(failed.error.is_retryable(), "{outage:?}");
        assert_eq!(*failed.message, rich_message(), "no attribute of ours, and the same body");
        assert_eq!(kms.switch.calls(), 4, "as often as the policy says");
        assert!(world.stored().is_empty(), "and it was not sent in the clear");

        kms.switch.fail(None);
        client.send(*failed.message).await.unwrap();
        assert_eq!(next_opened(&client).await.message.message, rich_message());
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_passes_is_waited_out() {
    let world = World::new();
    let retry = RetryPolicy::default().with_delays(SECOND, MINUTE);
    let (client, kms) = prepared(&world, retry);
    kms.switch.fail(KeyErrorKind::Unavailable);
    let sending = {
        let client = client.clone();
        tokio::spawn(async move { client.send(rich_message()).await.map_err(|f| f.error) })
    };
    tokio::time::sleep(SECOND / 4).await;
    kms.switch.fail(None);
    sending.await.unwrap().unwrap();
    assert_eq!(next_opened(&client).await.message.message, rich_message());
}

#[tokio::test(start_paused = true)]
async fn the_pauses_between_attempts_are_those_of_the_policy() {
    let world = World::new();
    let retry = RetryPolicy::default().with_max_attempts(5).with_delays(SECOND, 3 * SECOND);
    let (client, kms) = prepared(&world, retry);
    kms.switch.fail(KeyErrorKind::Unavailable);
    let started = Instant::now();
    client.send(rich_message()).await.unwrap_err();
    // Up to 1, 2, 3 and 3 seconds, each of them at least half as long.
    let waited = started.elapsed();
    let (shortest, longest) = (Duration::from_millis(4_500), Duration::from_millis(9_004));
    assert!((shortest..=longest).contains(&waited), "{waited:?}");
    assert_eq!(kms.switch.calls(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_seal_waits_as_long_as_the_service_asks() {
    let world = World::new();
    let (client, kms) = prepared(&world, RetryPolicy::default().with_max_attempts(3));
    kms.switch.fail(KeyErrorKind::Throttled { retry_after: Some(7 * SECOND) });
    let started = Instant::now();
    client.send(rich_message()).await.unwrap_err();
    assert_eq!(started.elapsed().as_secs(), 14);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_not_there_is_not_retried() {
    let world = World::new();
    let (client, kms) = prepared(&world, RetryPolicy::default());
    kms.switch.fail(KeyErrorKind::KeyNotFound);
    let failed = client.send(rich_message()).await.unwrap_err();
    assert!(!failed.error.is_retryable());
    assert_eq!(kms.switch.calls(), 1);
    assert_eq!(*failed.message, rich_message());
}

#[tokio::test(start_paused = true)]
async fn a_whole_batch_comes_back_in_its_order() {
    let world = World::new();
    let (client, kms) = prepared(&world, RetryPolicy::none());
    kms.switch.fail(KeyErrorKind::Unavailable);
    let batch: Vec<_> =
        (0..10).map(|n| Message::new(format!("{n}")).with_attribute("n", n.to_string())).collect();
    let sent = client.send_batch(batch.clone()).await;
    let back: Vec<_> = sent.into_iter().map(|outcome| *outcome.unwrap_err().message).collect();
    assert_eq!(back, batch);
    assert_eq!(kms.switch.calls(), 1, "one call for the batch");
}

/// A sender whose DEK is young enough does not notice.
#[tokio::test(start_paused = true)]
async fn seals_go_on_from_the_cached_key_until_its_hard_age() {
    let world = World::new();
    let (client, kms) = prepared(&world, RetryPolicy::none());
    client.send(Message::new("warm")).await.unwrap();
    kms.switch.fail(KeyErrorKind::Unavailable);
    tokio::time::advance(119 * MINUTE).await;
    client.send(Message::new("within two hours")).await.unwrap();
    tokio::time::advance(MINUTE).await;
    client.send(Message::new("after two hours")).await.unwrap_err();
    assert_eq!(world.stored().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_store_that_is_out_is_treated_alike() {
    let world = World::new();
    let keys = SwitchedKeys::new(&world.keys);
    let client = world.keyless(sealing()).with_key_provider(keys.clone()).build().unwrap();
    keys.switch.fail(KeyErrorKind::Unavailable);
    let failed = client.send(rich_message()).await.unwrap_err();
    assert!(failed.error.is_retryable());
    assert_eq!(*failed.message, rich_message());
    keys.switch.fail(None);
    client.send(*failed.message).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_sealed_is_counted_as_an_error_and_not_as_sent() {
    let ((), metrics) = Metrics::of(async {
        let world = World::new();
        let (client, kms) = prepared(&world, RetryPolicy::none());
        kms.switch.fail(KeyErrorKind::Unavailable);
        client.send(rich_message()).await.unwrap_err();
    })
    .await;
    let labels = [("queue", QUEUE), ("error_type", "key_unavailable")];
    assert_eq!(metrics.counter("queue_crypto_errors_total", &labels), 1);
    let sent = |encrypted| {
        metrics.counter("queue_messages_sent_total", &[("queue", QUEUE), ("encrypted", encrypted)])
    };
    assert_eq!((sent("true"), sent("false")), (0, 0));
}
