//! A revoked KEK's DEKs are gone at once, and no call under way brings one back.

use std::sync::{Arc, Weak};

use sealmq_crypto_core::format::WrappedDekRef;
use sealmq_crypto_core::{
    KeyError, KeyErrorKind, KeyManagementService, Keyring, ManualClock, MessageKey, Suite,
    WrapContext,
};

use crate::support::{FakeKms, alias, clock, keyring, policy, started, tenant, wrap_context};

struct Fixture {
    kms: Arc<FakeKms>,
    clock: Arc<ManualClock>,
    keyring: Keyring,
}

impl Fixture {
    fn new() -> Arc<Self> {
        let (kms, clock) = (FakeKms::new("kms"), clock());
        let keyring = keyring(&kms, policy(), &clock);
        Arc::new(Self { kms, clock, keyring })
    }

    async fn open(&self, wrapped: &[u8], tenant: &str) -> Result<Arc<MessageKey>, KeyError> {
        let reference = [WrappedDekRef { kek_alias: "kek-1", wrapped }];
        let context = of_tenant(tenant);
        self.keyring.opening_key(&context, Suite::default(), &reference).await
    }

    async fn seal(&self, tenant: &str) -> Result<Arc<MessageKey>, KeyError> {
        self.keyring.sealing_key(&of_tenant(tenant), Suite::default(), 1, 1).await
    }

    /// A DEK that somebody else made.
    async fn wrapped(&self, tenant: &str) -> Vec<u8> {
        self.kms.generate_dek(&of_tenant(tenant)).await.unwrap().wrapped
    }

    fn revoke(&self) {
        self.keyring.revoke(&alias("kek-1"));
    }

    fn unwraps(&self) -> usize {
        self.kms.count("decrypt_dek")
    }
}

fn of_tenant(tenant: &str) -> WrapContext {
    wrap_context(tenant, "orders")
}

fn is_gone(key: &Weak<MessageKey>) -> bool {
    key.strong_count() == 0
}

#[tokio::test]
async fn a_revoked_dek_is_held_by_nobody_and_is_asked_for_anew() {
    let fixture = Fixture::new();
    let wrapped = fixture.wrapped("a").await;
    let opening = Arc::downgrade(&fixture.open(&wrapped, "a").await.unwrap());
    let sealing = Arc::downgrade(&fixture.seal("a").await.unwrap());
    assert!(!is_gone(&opening) && !is_gone(&sealing), "the control: they are cached");
    fixture.revoke();
    assert!(is_gone(&opening) && is_gone(&sealing));
    fixture.open(&wrapped, "a").await.unwrap();
    fixture.seal("a").await.unwrap();
    assert_eq!((fixture.unwraps(), fixture.kms.count("generate_dek")), (2, 3));
}

#[tokio::test]
async fn a_revocation_reaches_the_clones_of_a_keyring() {
    let fixture = Fixture::new();
    let sealing = Arc::downgrade(&fixture.seal("a").await.unwrap());
    fixture.keyring.clone().revoke(&alias("kek-1"));
    assert!(is_gone(&sealing));
}

#[tokio::test]
async fn revoking_an_alias_that_is_not_configured_changes_nothing() {
    let fixture = Fixture::new();
    let wrapped = fixture.wrapped("a").await;
    fixture.open(&wrapped, "a").await.unwrap();
    fixture.keyring.revoke(&alias("kek-9"));
    fixture.open(&wrapped, "a").await.unwrap();
    assert_eq!(fixture.unwraps(), 1);
}

#[tokio::test]
async fn an_unwrap_under_way_at_a_revocation_gives_no_key_and_leaves_none_behind() {
    let fixture = Fixture::new();
    let wrapped = fixture.wrapped("a").await;
    fixture.kms.hold();
    let (waiting, of) = (Arc::clone(&fixture), wrapped.clone());
    let waiting = started(async move { waiting.open(&of, "a").await }).await;
    fixture.revoke();
    fixture.kms.release();
    assert!(waiting.await.unwrap().unwrap_err().is_retryable());
    fixture.open(&wrapped, "a").await.unwrap();
    assert_eq!(fixture.unwraps(), 2, "nothing was left in the cache");
}

#[tokio::test]
async fn a_new_dek_under_way_at_a_revocation_gives_no_key_and_leaves_none_behind() {
    let fixture = Fixture::new();
    fixture.kms.hold();
    let waiting = Arc::clone(&fixture);
    let waiting = started(async move { waiting.seal("a").await }).await;
    fixture.revoke();
    fixture.kms.release();
    assert!(waiting.await.unwrap().unwrap_err().is_retryable());
    // Nor does the opening side hold what the service handed out meanwhile.
    let wrapped = fixture.kms.handles().remove(0);
    fixture.open(&wrapped, "a").await.unwrap();
    assert_eq!(fixture.unwraps(), 1, "the service had to be asked");
}

#[tokio::test]
async fn a_stale_dek_under_reload_at_a_revocation_opens_nothing_more() {
    let fixture = Fixture::new();
    let wrapped = fixture.wrapped("a").await;
    fixture.open(&wrapped, "a").await.unwrap();
    fixture.clock.advance(policy().soft_age);
    fixture.kms.hold();
    let waiting = Arc::clone(&fixture);
    let waiting = started(async move { waiting.open(&wrapped, "a").await }).await;
    fixture.revoke();
    fixture.kms.release();
    assert!(waiting.await.unwrap().is_err());
}

#[tokio::test]
async fn a_dek_whose_successor_is_under_way_at_a_revocation_seals_nothing_more() {
    let fixture = Fixture::new();
    let old = fixture.seal("a").await.unwrap();
    fixture.clock.advance(policy().soft_age);
    fixture.kms.hold();
    let waiting = Arc::clone(&fixture);
    let waiting = started(async move { waiting.seal("a").await }).await;
    fixture.revoke();
    fixture.kms.release();
    let new = waiting.await.unwrap().expect("a DEK fetched after the revocation");
    assert!(!Arc::ptr_eq(&old, &new));
}

#[tokio::test]
async fn forgetting_a_tenant_forgets_only_that_tenants_deks() {
    let fixture = Fixture::new();
    let (of_a, of_b) = (fixture.wrapped("a").await, fixture.wrapped("b").await);
    let a = Arc::downgrade(&fixture.open(&of_a, "a").await.unwrap());
    let b = Arc::downgrade(&fixture.open(&of_b, "b").await.unwrap());
    let sealing_a = Arc::downgrade(&fixture.seal("a").await.unwrap());
    let sealing_b = Arc::downgrade(&fixture.seal("b").await.unwrap());
    fixture.keyring.forget_tenant(&tenant("a"));
    assert!(is_gone(&a) && is_gone(&sealing_a), "forgotten");
    assert!(!is_gone(&b) && !is_gone(&sealing_b), "kept");
    fixture.open(&of_b, "b").await.unwrap();
    assert_eq!(fixture.unwraps(), 2);
}

#[tokio::test]
async fn forgetting_a_shredded_tenant_makes_its_messages_unreadable_at_once() {
    let fixture = Fixture::new();
    let wrapped = fixture.wrapped("a").await;
    fixture.open(&wrapped, "a").await.unwrap();
    fixture.kms.delete_kek(&tenant("a")).await.unwrap();
    fixture.open(&wrapped, "a").await.expect("the control: shredding alone leaves the cache");
    fixture.keyring.forget_tenant(&tenant("a"));
    let error = fixture.open(&wrapped, "a").await.unwrap_err();
    assert_eq!(error.kind(), &KeyErrorKind::KeyNotFound);
}

/// A call under way cannot be told apart by tenant, so it is repeated: a pause, never a refusal.
#[tokio::test]
async fn a_call_of_another_tenant_under_way_at_a_forgetting_is_at_most_repeated() {
    let fixture = Fixture::new();
    let wrapped = fixture.wrapped("b").await;
    fixture.kms.hold();
    let (waiting, of) = (Arc::clone(&fixture), wrapped.clone());
    let waiting = started(async move { waiting.open(&of, "b").await }).await;
    fixture.keyring.forget_tenant(&tenant("a"));
    fixture.kms.release();
    if let Err(error) = waiting.await.unwrap() {
        assert!(error.is_retryable());
    }
    fixture.open(&wrapped, "b").await.expect("the other tenant's key");
}
