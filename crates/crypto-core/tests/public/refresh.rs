//! Refresh ahead of the soft age, stale keys while the service is down, and no key after the hard age.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use sealmq_crypto_core::format::WrappedDekRef;
use sealmq_crypto_core::{
    BackgroundTask, KeyError, KeyErrorKind, KeyManagementService, Keyring, ManualClock, MessageKey,
    Spawn, Suite, WrapContext,
};

use crate::support::{
    FakeKms, TokioSpawn, alias, clock, policy, settle, started, tenant, until, wrap_context,
};

const MS: Duration = Duration::from_millis(1);

/// Spawns on tokio and counts.
#[derive(Default)]
struct CountingSpawn(AtomicUsize);

impl Spawn for CountingSpawn {
    fn spawn(&self, task: BackgroundTask) {
        self.0.fetch_add(1, Ordering::SeqCst);
        TokioSpawn.spawn(task);
    }
}

struct Fixture {
    kms: Arc<FakeKms>,
    clock: Arc<ManualClock>,
    spawn: Arc<CountingSpawn>,
    keyring: Keyring,
    wrapped: Vec<u8>,
}

impl Fixture {
    async fn new(in_background: bool) -> Self {
        let (kms, clock, spawn) = (FakeKms::new("kms"), clock(), Arc::default());
        let mut builder = Keyring::builder()
            .kek(alias("kek-1"), kms.clone())
            .policy(policy())
            .clock(clock.clone());
        if in_background {
            builder = builder.spawner(Arc::clone(&spawn) as Arc<dyn Spawn>);
        }
        let keyring = builder.build().unwrap();
        let wrapped = kms.generate_dek(&orders()).await.unwrap().wrapped;
        Self { kms, clock, spawn, keyring, wrapped }
    }

    async fn open(&self) -> Result<Arc<MessageKey>, KeyError> {
        let reference = [WrappedDekRef { kek_alias: "kek-1", wrapped: &self.wrapped }];
        self.keyring.opening_key(&orders(), Suite::default(), &reference).await
    }

    async fn seal(&self) -> Result<Arc<MessageKey>, KeyError> {
        self.keyring.sealing_key(&orders(), Suite::default(), 1, 1).await
    }
}

fn orders() -> WrapContext {
    wrap_context("tenant-a", "orders")
}

#[tokio::test]
async fn past_its_soft_age_a_dek_opens_at_once_while_it_is_reloaded_in_the_background() {
    let fixture = Fixture::new(true).await;
    let first = fixture.open().await.unwrap();
    fixture.clock.advance(policy().soft_age);
    fixture.kms.hold();
    let served = fixture.open().now_or_never().expect("without waiting").unwrap();
    assert!(Arc::ptr_eq(&first, &served));
    fixture.kms.release();
    until(|| fixture.kms.count("decrypt_dek") == 2).await;
    settle().await;
    let reloaded = fixture.open().await.unwrap();
    assert!(!Arc::ptr_eq(&first, &reloaded));
    assert_eq!(fixture.kms.count("decrypt_dek"), 2);
}

#[tokio::test]
async fn past_its_soft_age_a_dek_seals_at_once_while_its_successor_is_fetched() {
    let fixture = Fixture::new(true).await;
    let first = fixture.seal().await.unwrap();
    fixture.clock.advance(policy().soft_age);
    fixture.kms.hold();
    let served = fixture.seal().now_or_never().expect("without waiting").unwrap();
    assert!(Arc::ptr_eq(&first, &served));
    fixture.kms.release();
    settle().await;
    assert!(!Arc::ptr_eq(&first, &fixture.seal().await.unwrap()));
}

#[tokio::test]
async fn a_reload_under_way_is_spawned_once_however_many_messages_come_meanwhile() {
    let fixture = Fixture::new(true).await;
    fixture.open().await.unwrap();
    fixture.seal().await.unwrap();
    fixture.clock.advance(policy().soft_age);
    fixture.kms.hold();
    for _ in 0..100 {
        fixture.open().now_or_never().expect("without waiting").unwrap();
        fixture.seal().now_or_never().expect("without waiting").unwrap();
    }
    assert_eq!(fixture.spawn.0.load(Ordering::SeqCst), 2, "one reload, one successor");
    fixture.kms.release();
}

#[tokio::test]
async fn without_a_spawner_a_caller_waits_for_the_reload_and_gets_it() {
    let fixture = Fixture::new(false).await;
    let first = fixture.open().await.unwrap();
    fixture.clock.advance(policy().soft_age);
    assert!(!Arc::ptr_eq(&first, &fixture.open().await.unwrap()));
}

#[tokio::test]
async fn without_a_spawner_a_caller_waits_for_the_successor_and_the_next_one_gets_it() {
    let fixture = Fixture::new(false).await;
    let first = fixture.seal().await.unwrap();
    fixture.clock.advance(policy().soft_age);
    // Its place on the old DEK was taken before the wait and still stands.
    assert!(Arc::ptr_eq(&first, &fixture.seal().await.unwrap()));
    assert!(!Arc::ptr_eq(&first, &fixture.seal().await.unwrap()));
}

#[tokio::test]
async fn while_the_service_is_down_a_stale_dek_opens_until_its_hard_age_and_no_longer() {
    for in_background in [false, true] {
        let fixture = Fixture::new(in_background).await;
        fixture.open().await.unwrap();
        fixture.kms.fail(Some(KeyErrorKind::Unavailable));
        fixture.clock.advance(policy().hard_age - MS);
        fixture.open().await.expect("a millisecond before the hard age");
        settle().await;
        fixture.clock.advance(MS);
        let error = fixture.open().await.unwrap_err();
        assert_eq!(error.kind(), &KeyErrorKind::Unavailable);
        fixture.kms.fail(None);
        fixture.open().await.expect("the service is back");
    }
}

#[tokio::test]
async fn a_reload_that_fails_only_after_the_hard_age_does_not_serve_the_stale_dek() {
    let fixture = Arc::new(Fixture::new(false).await);
    fixture.open().await.unwrap();
    fixture.clock.advance(policy().hard_age - MS);
    fixture.kms.hold();
    fixture.kms.fail(Some(KeyErrorKind::Unavailable));
    let waiting = Arc::clone(&fixture);
    let waiting = started(async move { waiting.open().await }).await;
    fixture.clock.advance(MS);
    fixture.kms.release();
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), &KeyErrorKind::Unavailable);
}

#[tokio::test]
async fn a_successor_that_fails_only_after_the_hard_age_does_not_bring_the_old_dek_back() {
    let fixture = Arc::new(Fixture::new(false).await);
    fixture.seal().await.unwrap();
    fixture.clock.advance(policy().hard_age - MS);
    fixture.kms.hold();
    fixture.kms.fail(Some(KeyErrorKind::Unavailable));
    let waiting = Arc::clone(&fixture);
    let waiting = started(async move { waiting.seal().await }).await;
    fixture.clock.advance(MS);
    fixture.kms.release();
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), &KeyErrorKind::Unavailable);
}

#[tokio::test]
async fn a_service_that_is_down_is_not_called_again_for_every_message() {
    for in_background in [false, true] {
        let fixture = Fixture::new(in_background).await;
        fixture.open().await.unwrap();
        fixture.seal().await.unwrap();
        fixture.clock.advance(policy().soft_age);
        fixture.kms.fail(Some(KeyErrorKind::Unavailable));
        let before = fixture.kms.calls();
        for _ in 0..100 {
            fixture.open().await.unwrap();
            fixture.seal().await.unwrap();
            settle().await;
        }
        assert_eq!(fixture.kms.calls() - before, 2, "one reload, one successor");
        fixture.clock.advance(Duration::from_secs(5));
        fixture.open().await.unwrap();
        settle().await;
        assert_eq!(fixture.kms.calls() - before, 3, "tried again after a pause");
    }
}

#[tokio::test]
async fn a_dek_whose_reload_is_refused_for_good_opens_nothing_more() {
    let fixture = Fixture::new(false).await;
    fixture.open().await.unwrap();
    fixture.kms.delete_kek(&tenant("tenant-a")).await.unwrap();
    fixture.clock.advance(policy().soft_age);
    assert_eq!(fixture.open().await.unwrap_err().kind(), &KeyErrorKind::KeyNotFound);
}

#[tokio::test]
async fn a_dek_whose_background_reload_is_refused_for_good_opens_nothing_from_then_on() {
    let fixture = Fixture::new(true).await;
    fixture.open().await.unwrap();
    fixture.kms.delete_kek(&tenant("tenant-a")).await.unwrap();
    fixture.clock.advance(policy().soft_age);
    fixture.open().await.expect("stale, while the reload is under way");
    settle().await;
    assert_eq!(fixture.open().await.unwrap_err().kind(), &KeyErrorKind::KeyNotFound);
}
