//! Health: what makes a process unready, and what does not.

use std::sync::Arc;

use async_trait::async_trait;
use sealmq_client::{HealthStatus, Part, QueueClient};
use sealmq_crypto_core::{
    CryptoError, CryptoProvider, EncryptedMessage, EncryptionContext, KeyError, KeyErrorKind,
    KeyringPolicy, OpenedMessage,
};
use sealmq_keys_local::MemoryKms;
use sealmq_queue_core::{Message, TransportErrorKind};

use crate::support::{
    Call, Fault, FaultyTransport, MINUTE, SECOND, SwitchedGuard, SwitchedKeys, SwitchedKms, World,
    sealing,
};

/// How a part is, and whether the client is ready.
async fn of(client: &QueueClient, part: Part) -> (HealthStatus, bool) {
    let report = client.health().await;
    (report.status(part).unwrap().clone(), report.is_ready())
}

fn is_degraded(status: &HealthStatus) -> bool {
    matches!(status, HealthStatus::Degraded(_))
}

fn is_unhealthy(status: &HealthStatus) -> bool {
    matches!(status, HealthStatus::Unhealthy(_))
}

/// A client over a key service with a switch, and over a transport with faults.
fn with_kms(world: &World) -> (QueueClient, Arc<SwitchedKms>) {
    let kms = SwitchedKms::new(&MemoryKms::new());
    let client = world.keyless(sealing()).with_key_management("kek-1", kms.clone());
    (client.build().unwrap(), kms)
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_parts_all_answer_is_healthy_and_ready() {
    let world = World::new();
    let guard = SwitchedGuard::new(world.clock.clone());
    let tracking = sealing().with_nonce_tracking(true);
    let client = world.with_keys(tracking).with_replay_guard(guard).build().unwrap();
    let report = client.health().await;
    let parts: Vec<_> = report.parts().iter().map(|found| found.part).collect();
    assert_eq!(parts, [Part::Crypto, Part::Keys, Part::Transport, Part::ReplayGuard]);
    assert!(report.parts().iter().all(|found| found.status == HealthStatus::Healthy));
    assert!(report.is_ready());
}

#[tokio::test(start_paused = true)]
async fn parts_that_a_client_does_not_have_are_not_reported() {
    let report = World::new().plain().health().await;
    let parts: Vec<_> = report.parts().iter().map(|found| found.part).collect();
    assert_eq!(parts, [Part::Crypto, Part::Transport]);
    assert_eq!(report.status(Part::Keys), None);
}

#[tokio::test(start_paused = true)]
async fn it_asks_and_leaves_nothing_behind() {
    let world = World::new();
    let (client, kms) = with_kms(&world);
    for _ in 0..3 {
        assert!(client.health().await.is_ready());
    }
    assert_eq!((kms.switch.calls(), kms.deks().len()), (3, 0), "one call each, and no DEK");
    assert!(world.stored().is_empty());
}

/// The outage of a key service must not take a whole fleet out of service while DEKs are valid.
#[tokio::test(start_paused = true)]
async fn a_key_service_that_is_down_leaves_it_ready_for_as_long_as_a_key_at_hand_seals() {
    let world = World::new();
    let (client, kms) = with_kms(&world);
    kms.switch.fail(KeyErrorKind::Unavailable);
    let (status, ready) = of(&client, Part::Keys).await;
    assert!(is_unhealthy(&status) && !ready, "the control: no key at hand, {status:?}");

    kms.switch.fail(None);
    client.send(Message::new("body")).await.unwrap();
    kms.switch.fail(KeyErrorKind::Unavailable);
    let (status, ready) = of(&client, Part::Keys).await;
    assert!(is_degraded(&status) && ready, "{status:?}");
    client.send(Message::new("body")).await.unwrap();

    tokio::time::sleep(KeyringPolicy::default().hard_age).await;
    let (status, ready) = of(&client, Part::Keys).await;
    assert!(is_unhealthy(&status) && !ready, "the key is too old to be used: {status:?}");
    client.send(Message::new("body")).await.unwrap_err();

    kms.switch.fail(None);
    assert_eq!(of(&client, Part::Keys).await, (HealthStatus::Healthy, true));
}

#[tokio::test(start_paused = true)]
async fn the_same_holds_for_a_key_store() {
    let world = World::new();
    let keys = SwitchedKeys::new(&world.keys);
    let client = world.keyless(sealing()).with_key_provider(keys.clone()).build().unwrap();
    keys.switch.fail(KeyErrorKind::Unavailable);
    assert!(!client.health().await.is_ready());
    keys.switch.fail(None);
    client.send(Message::new("body")).await.unwrap();
    keys.switch.fail(KeyErrorKind::Denied);
    let (status, ready) = of(&client, Part::Keys).await;
    assert!(is_degraded(&status) && ready, "{status:?}");
    tokio::time::sleep(KeyringPolicy::default().hard_age).await;
    assert!(!client.health().await.is_ready());
}

/// What it cannot open for now goes back to the queue: nobody is refused anything.
#[tokio::test(start_paused = true)]
async fn a_client_that_only_opens_stays_ready_without_its_key_service() {
    let world = World::new();
    let kms = SwitchedKms::new(&MemoryKms::new());
    let opening = sealing().with_enabled(false);
    let client = world.keyless(opening).with_key_management("kek-1", kms.clone()).build().unwrap();
    kms.switch.fail(KeyErrorKind::Unavailable);
    let (status, ready) = of(&client, Part::Keys).await;
    assert!(is_degraded(&status) && ready, "{status:?}");
}

#[tokio::test(start_paused = true)]
async fn a_key_service_that_hangs_is_reported_within_seconds() {
    let world = World::new();
    let (client, kms) = with_kms(&world);
    kms.switch.hang();
    let report = client.health().await;
    let keys = report.parts().iter().find(|found| found.part == Part::Keys).unwrap();
    assert_eq!(keys.status, HealthStatus::Unhealthy("no answer within 5 s".to_owned()));
    assert_eq!(keys.elapsed, 5 * SECOND);
    assert_eq!(report.status(Part::Transport), Some(&HealthStatus::Healthy));
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_does_not_answer_makes_it_unready_until_it_does() {
    let world = World::new();
    let transport = FaultyTransport::new(&world.broker);
    let client = world.over(transport.clone(), sealing()).build().unwrap();
    transport.fail(Call::Health, 1, Fault::unreachable());
    let (status, ready) = of(&client, Part::Transport).await;
    assert!(is_unhealthy(&status) && !ready, "{status:?}");
    assert_eq!(transport.calls(Call::Health).len(), 1, "nothing is retried");
    assert_eq!(of(&client, Part::Transport).await, (HealthStatus::Healthy, true));
    let slow_down = TransportErrorKind::Throttled { retry_after: None };
    transport.fail(Call::Health, 1, Fault::Refused(slow_down));
    let (status, ready) = of(&client, Part::Transport).await;
    assert!(is_degraded(&status) && ready, "{status:?}");
}

#[tokio::test(start_paused = true)]
async fn a_replay_store_that_is_down_leaves_it_ready() {
    let world = World::new();
    let guard = SwitchedGuard::new(world.clock.clone());
    let tracking = sealing().with_nonce_tracking(true);
    let client = world.with_keys(tracking).with_replay_guard(guard.clone()).build().unwrap();
    guard.set_down(true);
    let (status, ready) = of(&client, Part::ReplayGuard).await;
    assert!(is_degraded(&status) && ready, "{status:?}");
}

/// A provider whose source has its credentials in the error deep down.
struct Leaky;

#[async_trait]
impl CryptoProvider for Leaky {
    async fn encrypt(
        &self,
        _: &[u8],
        _: &EncryptionContext,
    ) -> Result<EncryptedMessage, CryptoError> {
        self.health().await.map(|()| unreachable!())
    }

    async fn decrypt(
        &self,
        _: EncryptedMessage,
        _: &EncryptionContext,
    ) -> Result<OpenedMessage, CryptoError> {
        unreachable!()
    }

    fn max_overhead_bytes(&self) -> usize {
        0
    }

    async fn health(&self) -> Result<(), CryptoError> {
        let sdk = "401 for Authorization: Bearer token-canary-11";
        let error = KeyError::new(KeyErrorKind::Denied, "transit/encrypt").with_source(sdk);
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("token-canary"));
        Err(CryptoError::unavailable(error))
    }
}

#[tokio::test(start_paused = true)]
async fn a_reason_says_what_is_wrong_and_nothing_of_what_an_sdk_said() {
    let client = World::new().keyless(sealing()).with_crypto_provider(Arc::new(Leaky));
    let client = client.build().unwrap();
    let (health, tested) = (client.health().await, client.self_test().await);
    assert!(!health.is_ready() && !tested.passed());
    for text in
        [format!("{health}"), format!("{health:?}"), format!("{tested}"), format!("{tested:?}")]
    {
        assert!(text.contains("denied by the key service: transit/encrypt"), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_shuts_down_is_not_ready_while_its_handlers_finish() {
    let world = World::new();
    let client = world.sealing();
    client.send(Message::new("body")).await.unwrap();
    let _processor = client.process(Default::default(), |_| async {
        tokio::time::sleep(10 * SECOND).await;
        Ok(())
    });
    tokio::time::sleep(SECOND).await;
    assert!(client.health().await.is_ready());
    let closing = client.clone();
    let closing = tokio::spawn(async move { closing.shutdown(MINUTE).await });
    tokio::time::sleep(SECOND).await;
    assert!(!client.health().await.is_ready());
    closing.await.unwrap().unwrap();
}
