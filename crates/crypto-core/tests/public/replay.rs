//! The replay guard: a redelivery is granted, a replay is refused, and a live nonce is never forgotten.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use sealmq_crypto_core::{
    DeliveryIdentity, EncryptedMessage, ManualClock, MemoryReplayGuard, Nonce, ReplayGuard,
    Reservation, Suite,
};

use crate::support::{clock, context, named_key, sealed};

const LEASE: Duration = Duration::from_secs(30);
const RETENTION: Duration = Duration::from_secs(600);
const MS: Duration = Duration::from_millis(1);

struct Fixture {
    guard: MemoryReplayGuard,
    clock: Arc<ManualClock>,
}

impl Fixture {
    fn new() -> Self {
        Self::with_capacity(100)
    }

    fn with_capacity(capacity: usize) -> Self {
        let clock = clock();
        let guard = MemoryReplayGuard::with_capacity(capacity).with_clock(clock.clone());
        Self { guard, clock }
    }

    async fn is_granted(&self, nonce: &Nonce, copy: &str) -> bool {
        let identity = DeliveryIdentity::new(copy);
        let reserved = self.guard.reserve(nonce, &identity, LEASE, RETENTION).await;
        reserved.unwrap() == Reservation::Granted
    }

    async fn commit(&self, nonce: &Nonce, copy: &str) {
        self.guard.commit(nonce, &DeliveryIdentity::new(copy)).await.unwrap();
    }

    async fn release(&self, nonce: &Nonce, copy: &str) {
        self.guard.release(nonce, &DeliveryIdentity::new(copy)).await.unwrap();
    }

    async fn extend(&self, nonce: &Nonce, copy: &str) {
        self.guard.extend(nonce, &DeliveryIdentity::new(copy), LEASE).await.unwrap();
    }
}

fn nonce() -> Nonce {
    let frame = sealed(&named_key(), Suite::default(), b"", &context());
    EncryptedMessage::parse(frame).unwrap().nonce()
}

#[tokio::test]
async fn a_redelivery_is_granted_and_a_copy_is_refused() {
    let (fixture, nonce) = (Fixture::new(), nonce());
    // The control: a set of nonces seen takes the broker's redelivery for a replay.
    let mut seen = HashSet::new();
    assert!(seen.insert(nonce) && !seen.insert(nonce));

    assert!(fixture.is_granted(&nonce, "copy-1").await);
    assert!(fixture.is_granted(&nonce, "copy-1").await, "the same copy comes again");
    assert!(!fixture.is_granted(&nonce, "copy-2").await, "another copy of it");
}

#[tokio::test]
async fn nonces_are_guarded_each_for_itself() {
    let fixture = Fixture::new();
    assert!(fixture.is_granted(&nonce(), "copy-1").await);
    assert!(fixture.is_granted(&nonce(), "copy-2").await);
}

#[tokio::test]
async fn another_copy_is_granted_once_the_lease_of_a_crashed_consumer_lapsed() {
    let (fixture, nonce) = (Fixture::new(), nonce());
    fixture.is_granted(&nonce, "copy-1").await;
    fixture.clock.advance(LEASE - MS);
    assert!(!fixture.is_granted(&nonce, "copy-2").await, "still leased");
    fixture.clock.advance(MS);
    assert!(fixture.is_granted(&nonce, "copy-2").await, "lapsed");
    assert!(!fixture.is_granted(&nonce, "copy-1").await, "it is the other's now");
}

#[tokio::test]
async fn an_extended_lease_lasts_longer_and_only_its_holder_extends_it() {
    let (fixture, nonce) = (Fixture::new(), nonce());
    fixture.is_granted(&nonce, "copy-1").await;
    fixture.clock.advance(LEASE - MS);
    fixture.extend(&nonce, "copy-1").await;
    fixture.clock.advance(LEASE - MS);
    fixture.extend(&nonce, "copy-2").await;
    assert!(!fixture.is_granted(&nonce, "copy-2").await, "extended by its holder");
    fixture.clock.advance(MS);
    assert!(fixture.is_granted(&nonce, "copy-2").await, "not by a stranger");
}

#[tokio::test]
async fn a_completed_message_is_refused_under_any_identity_until_its_retention_is_over() {
    let (fixture, nonce) = (Fixture::new(), nonce());
    fixture.is_granted(&nonce, "copy-1").await;
    fixture.commit(&nonce, "copy-1").await;
    assert!(!fixture.is_granted(&nonce, "copy-1").await);
    fixture.clock.advance(RETENTION - MS);
    assert!(!fixture.is_granted(&nonce, "copy-1").await);
    assert!(!fixture.is_granted(&nonce, "copy-2").await);
    // By now the message is too old to be accepted, so its nonce need not be known any more.
    fixture.clock.advance(MS);
    assert!(fixture.is_granted(&nonce, "copy-2").await);
}

#[tokio::test]
async fn a_completed_copy_that_comes_again_is_told_from_a_replay() {
    let (fixture, nonce) = (Fixture::new(), nonce());
    fixture.is_granted(&nonce, "copy-1").await;
    fixture.commit(&nonce, "copy-1").await;
    for (copy, expected) in [("copy-1", Reservation::Completed), ("copy-2", Reservation::Replayed)]
    {
        let identity = DeliveryIdentity::new(copy);
        let reserved = fixture.guard.reserve(&nonce, &identity, LEASE, RETENTION).await;
        assert_eq!(reserved.unwrap(), expected, "{copy}");
    }
}

#[tokio::test]
async fn a_redelivery_does_not_shorten_how_long_a_nonce_is_remembered() {
    let (fixture, nonce) = (Fixture::new(), nonce());
    fixture.is_granted(&nonce, "copy-1").await;
    let identity = DeliveryIdentity::new("copy-1");
    let again = fixture.guard.reserve(&nonce, &identity, LEASE, MS).await.unwrap();
    assert_eq!(again, Reservation::Granted);
    fixture.commit(&nonce, "copy-1").await;
    fixture.clock.advance(RETENTION - MS);
    assert!(!fixture.is_granted(&nonce, "copy-2").await);
}

#[tokio::test]
async fn an_abandoned_message_is_free_again() {
    let (fixture, nonce) = (Fixture::new(), nonce());
    fixture.is_granted(&nonce, "copy-1").await;
    fixture.release(&nonce, "copy-1").await;
    assert!(fixture.is_granted(&nonce, "copy-2").await);
}

#[tokio::test]
async fn a_stranger_cannot_free_a_message() {
    let (fixture, nonce) = (Fixture::new(), nonce());
    fixture.is_granted(&nonce, "copy-1").await;
    fixture.release(&nonce, "copy-2").await;
    assert!(!fixture.is_granted(&nonce, "copy-2").await);
}

#[tokio::test]
async fn a_completed_message_cannot_be_freed() {
    let (fixture, nonce) = (Fixture::new(), nonce());
    fixture.is_granted(&nonce, "copy-1").await;
    fixture.commit(&nonce, "copy-1").await;
    fixture.release(&nonce, "copy-1").await;
    assert!(!fixture.is_granted(&nonce, "copy-2").await);
}

#[tokio::test]
async fn a_completion_counts_though_its_lease_lapsed_and_another_copy_was_granted() {
    let (fixture, nonce) = (Fixture::new(), nonce());
    fixture.is_granted(&nonce, "copy-1").await;
    fixture.clock.advance(LEASE);
    fixture.is_granted(&nonce, "copy-2").await;
    fixture.commit(&nonce, "copy-1").await;
    for copy in ["copy-1", "copy-2", "copy-3"] {
        assert!(!fixture.is_granted(&nonce, copy).await, "{copy}");
    }
}

#[tokio::test]
async fn a_completion_counts_though_another_consumer_gave_the_message_back() {
    let (fixture, nonce) = (Fixture::new(), nonce());
    fixture.is_granted(&nonce, "copy-1").await;
    fixture.clock.advance(LEASE);
    fixture.is_granted(&nonce, "copy-2").await;
    fixture.release(&nonce, "copy-2").await;
    fixture.commit(&nonce, "copy-1").await;
    assert!(!fixture.is_granted(&nonce, "copy-3").await);
}

#[tokio::test]
async fn a_full_guard_answers_with_an_error_and_forgets_nothing() {
    let fixture = Fixture::with_capacity(3);
    let nonces = [nonce(), nonce(), nonce()];
    for nonce in &nonces {
        assert!(fixture.is_granted(nonce, "copy-1").await);
        fixture.commit(nonce, "copy-1").await;
    }
    let identity = DeliveryIdentity::new("copy-1");
    let refused = fixture.guard.reserve(&nonce(), &identity, LEASE, RETENTION).await;
    assert!(refused.is_err());
    for nonce in &nonces {
        assert!(!fixture.is_granted(nonce, "copy-2").await, "still known");
    }
}

#[tokio::test]
async fn a_full_guard_has_room_again_once_retentions_are_over() {
    let fixture = Fixture::with_capacity(3);
    for _ in 0..3 {
        fixture.is_granted(&nonce(), "copy-1").await;
    }
    fixture.clock.advance(RETENTION);
    assert!(fixture.is_granted(&nonce(), "copy-1").await);
    assert_eq!(fixture.guard.len(), 1, "what is over was forgotten");
}

#[tokio::test]
async fn a_guard_says_how_full_it_is() {
    let fixture = Fixture::with_capacity(4);
    for taken in [0.25, 0.5, 0.75, 1.0] {
        let nonce = nonce();
        fixture.is_granted(&nonce, "copy-1").await;
        fixture.commit(&nonce, "copy-1").await;
        assert_eq!(fixture.guard.occupancy(), Some(taken));
    }
}

/// Fractions of a second do not count against it.
#[tokio::test]
async fn a_nonce_is_not_forgotten_before_its_retention_is_over() {
    let (fixture, nonce) = (Fixture::new(), nonce());
    fixture.clock.advance(MS);
    fixture.is_granted(&nonce, "copy-1").await;
    fixture.commit(&nonce, "copy-1").await;
    fixture.clock.advance(RETENTION - MS);
    assert!(!fixture.is_granted(&nonce, "copy-2").await, "a millisecond before");
    fixture.clock.advance(Duration::from_secs(1));
    assert!(fixture.is_granted(&nonce, "copy-2").await, "within a second after");
}

#[tokio::test]
async fn setting_the_wall_clock_back_or_forward_changes_nothing() {
    let (fixture, nonce) = (Fixture::new(), nonce());
    fixture.is_granted(&nonce, "copy-1").await;
    fixture.commit(&nonce, "copy-1").await;
    for unix_ms in [0, u64::MAX / 2] {
        fixture.clock.set_unix_ms(unix_ms);
        assert!(!fixture.is_granted(&nonce, "copy-2").await);
    }
}
