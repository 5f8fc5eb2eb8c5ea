//! The self-test tries what a first message needs, past every cache.

use std::sync::Arc;

use sealmq_client::{HealthStatus, Part, QueueClient};
use sealmq_crypto_core::{AeadBackend, Clock, KeyErrorKind, ManualClock};
use sealmq_keys_local::MemoryKms;
use sealmq_queue_core::Message;

use crate::support::{
    Call, Fault, FaultyTransport, SECOND, START_MS, SwitchedKeys, SwitchedKms, World, sealing,
};

fn with_kms(world: &World) -> (QueueClient, Arc<SwitchedKms>) {
    let kms = SwitchedKms::new(&MemoryKms::new());
    let client = world.keyless(sealing()).with_key_management("kek-1", kms.clone());
    (client.build().unwrap(), kms)
}

async fn keys_are_healthy(client: &QueueClient) -> bool {
    client.self_test().await.status(Part::Keys) == Some(&HealthStatus::Healthy)
}

#[tokio::test(start_paused = true)]
async fn it_passes_and_says_what_it_tried() {
    let world = World::new();
    let report = world.sealing().self_test().await;
    assert!(report.passed(), "{report}");
    let parts: Vec<_> = report.parts().iter().map(|found| found.part).collect();
    assert_eq!(parts, [Part::Crypto, Part::Keys, Part::Clock, Part::Transport]);
    assert_eq!(report.backend(), AeadBackend::default());
    assert_eq!(report.is_fips(), AeadBackend::default().is_fips());
    assert_eq!(report.to_string().lines().count(), 4);
    assert!(world.stored().is_empty(), "no message is sent");
}

/// A readiness check that sees the cache alone proves nothing.
#[tokio::test(start_paused = true)]
async fn it_asks_the_key_service_although_a_key_is_cached() {
    let world = World::new();
    let (client, kms) = with_kms(&world);
    client.send(Message::new("body")).await.unwrap();
    assert!(keys_are_healthy(&client).await);
    kms.switch.fail(KeyErrorKind::Unavailable);
    client.send(Message::new("body")).await.unwrap(); // the control: the cache still seals
    assert!(!keys_are_healthy(&client).await);
}

#[tokio::test(start_paused = true)]
async fn it_fills_no_cache() {
    let world = World::new();
    let (client, kms) = with_kms(&world);
    assert!(keys_are_healthy(&client).await);
    assert_eq!((kms.deks().len(), kms.switch.calls()), (1, 2), "made, and unwrapped again");
    client.send(Message::new("body")).await.unwrap();
    assert_eq!(kms.deks().len(), 2, "a message has a DEK of its own");
}

#[tokio::test(start_paused = true)]
async fn it_reads_the_current_key_of_a_store_although_it_is_cached() {
    let world = World::new();
    let keys = SwitchedKeys::new(&world.keys);
    let client = world.keyless(sealing()).with_key_provider(keys.clone()).build().unwrap();
    client.send(Message::new("body")).await.unwrap();
    let before = keys.switch.calls();
    assert!(keys_are_healthy(&client).await);
    assert_eq!(keys.switch.calls() - before, 2, "its id, and the key");
    keys.switch.fail(KeyErrorKind::Unavailable);
    assert!(!keys_are_healthy(&client).await);
}

#[tokio::test(start_paused = true)]
async fn each_of_several_key_services_has_to_unwrap() {
    let world = World::new();
    let [one, other] = [(); 2].map(|()| SwitchedKms::new(&MemoryKms::new()));
    let client = world
        .keyless(sealing())
        .with_key_management("kek-1", one.clone())
        .with_key_management("kek-2", other.clone())
        .build()
        .unwrap();
    assert!(keys_are_healthy(&client).await);
    other.switch.fail(KeyErrorKind::Unavailable);
    assert!(!keys_are_healthy(&client).await);
}

/// Who may not seal is not made to.
#[tokio::test(start_paused = true)]
async fn a_client_that_only_opens_asks_for_no_key() {
    let world = World::new();
    let kms = SwitchedKms::new(&MemoryKms::new());
    let opening = sealing().with_enabled(false);
    let client = world.keyless(opening).with_key_management("kek-1", kms.clone()).build().unwrap();
    assert!(keys_are_healthy(&client).await);
    assert_eq!((kms.switch.calls(), kms.deks().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_does_not_answer_fails_it() {
    let world = World::new();
    let transport = FaultyTransport::new(&world.broker);
    let client = world.over(transport.clone(), sealing()).build().unwrap();
    transport.fail(Call::Health, 1, Fault::unreachable());
    let report = client.self_test().await;
    assert!(matches!(report.status(Part::Transport), Some(HealthStatus::Unhealthy(_))));
    assert!(!report.passed());
}

#[tokio::test(start_paused = true)]
async fn a_key_service_that_hangs_fails_it_within_half_a_minute() {
    let (client, kms) = with_kms(&World::new());
    kms.switch.hang();
    let began = tokio::time::Instant::now();
    assert!(!client.self_test().await.passed());
    assert_eq!(began.elapsed(), 30 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_never_set_or_went_back_fails_it() {
    let world = World::new();
    let clock = Arc::new(ManualClock::at_unix_ms(START_MS));
    let client = world.with_keys(sealing()).with_clock(clock.clone()).build().unwrap();
    let is_healthy =
        async || client.self_test().await.status(Part::Clock) == Some(&HealthStatus::Healthy);
    assert!(is_healthy().await);
    clock.advance(3_600 * SECOND);
    assert!(is_healthy().await, "an hour has passed on both clocks");
    let now = clock.unix_ms();
    clock.set_unix_ms(now - 120_000);
    assert!(is_healthy().await, "as far as the policy lets clocks differ");
    clock.set_unix_ms(now - 120_001);
    assert!(!is_healthy().await, "further back");
    clock.set_unix_ms(now + 86_400_000);
    assert!(is_healthy().await, "forward is how a suspended host wakes up");

    let unset = Arc::new(ManualClock::at_unix_ms(1_000));
    let client = world.with_keys(sealing()).with_clock(unset).build().unwrap();
    let report = client.self_test().await;
    assert!(matches!(report.status(Part::Clock), Some(HealthStatus::Unhealthy(_))));
}
