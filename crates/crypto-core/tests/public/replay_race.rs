//! Two consumers race for one message ten thousand times, and exactly one of them gets it.

use std::collections::HashSet;
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use sealmq_crypto_core::{
    DeliveryIdentity, EncryptedMessage, MemoryReplayGuard, Nonce, ReplayGuard, Reservation, Suite,
};

use crate::support::{context, named_key, sealed};

const ROUNDS: usize = 10_000;

fn nonces() -> Vec<Nonce> {
    let (key, context) = (named_key(), context());
    let nonce = |_| {
        let frame = sealed(&key, Suite::default(), b"", &context);
        EncryptedMessage::parse(frame).unwrap().nonce()
    };
    (0..ROUNDS).map(nonce).collect()
}

/// Runs two consumers over the nonces in step; gives how many were granted in each round.
fn race(nonces: &[Nonce], reserve: impl Fn(&Nonce, &str) -> bool + Sync) -> Vec<usize> {
    let start = Barrier::new(2);
    let consumer = |copy: &str| -> Vec<bool> {
        let round = |nonce| {
            start.wait();
            reserve(nonce, copy)
        };
        nonces.iter().map(round).collect()
    };
    let (one, two) = std::thread::scope(|scope| {
        let one = scope.spawn(|| consumer("copy-1"));
        let two = scope.spawn(|| consumer("copy-2"));
        (one.join().unwrap(), two.join().unwrap())
    });
    one.into_iter().zip(two).map(|(one, two)| usize::from(one) + usize::from(two)).collect()
}

#[test]
fn a_guard_that_looks_first_and_remembers_later_grants_both() {
    let (seen, both_looked) = (Mutex::new(HashSet::new()), Arc::new(Barrier::new(2)));
    let grants = race(&nonces()[..100], |nonce, _| {
        let is_new = !seen.lock().unwrap().contains(nonce);
        both_looked.wait();
        seen.lock().unwrap().insert(*nonce);
        is_new
    });
    assert!(grants.iter().all(|granted| *granted == 2));
}

#[test]
fn of_two_racing_copies_exactly_one_is_granted_in_each_of_ten_thousand_rounds() {
    let guard = MemoryReplayGuard::with_capacity(ROUNDS);
    let (lease, retention) = (Duration::from_secs(600), Duration::from_secs(3_600));
    let grants = race(&nonces(), |nonce, copy| {
        let identity = DeliveryIdentity::new(copy);
        // The guard in memory answers without waiting, so no runtime is needed.
        let reserved = guard.reserve(nonce, &identity, lease, retention).now_or_never();
        reserved.unwrap().unwrap() == Reservation::Granted
    });
    assert_eq!(grants.len(), ROUNDS);
    assert!(grants.iter().all(|granted| *granted == 1));
}
