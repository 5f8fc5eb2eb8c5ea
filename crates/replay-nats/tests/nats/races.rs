//! Copies of one message race for it, and exactly one is granted.

use std::sync::Arc;

use sealmq_crypto_core::{ReplayGuard, Reservation};
use sealmq_replay_nats::NatsReplayGuard;
use tokio::task::JoinSet;

use crate::support::{SHORT, commit, reserve, reserve_shortly, two};

const ROUNDS: u32 = 2_400;
/// Rounds that happen at the same time.
const LANES: u32 = 8;

fn grants(one: Reservation, other: Reservation) -> u32 {
    let granted = |reservation| u32::from(reservation == Reservation::Granted);
    granted(one) + granted(other)
}

/// Both reserve each nonce at the same time; gives how many were granted in each round.
async fn race(a: Arc<NatsReplayGuard>, b: Arc<NatsReplayGuard>) -> Vec<u32> {
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        let (a, b) = (Arc::clone(&a), Arc::clone(&b));
        lanes.spawn(async move {
            let mut rounds = Vec::new();
            for n in (lane..ROUNDS).step_by(LANES as usize) {
                let (one, other) =
                    tokio::join!(reserve(&*a, n, "copy-1"), reserve(&*b, n, "copy-2"));
                rounds.push(grants(one, other));
            }
            rounds
        });
    }
    lanes.join_all().await.concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_racing_copies_exactly_one_is_granted_in_each_of_2400_rounds() {
    let (_server, a, b) = two().await;
    let rounds = race(Arc::new(a), Arc::new(b)).await;
    assert_eq!(rounds.len(), ROUNDS as usize);
    assert!(rounds.iter().all(|granted| *granted == 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_copies_that_race_for_a_lapsed_lease_exactly_one_is_granted() {
    const NONCES: u32 = 200;
    let (_server, a, b) = two().await;
    for n in 0..NONCES {
        assert_eq!(reserve_shortly(&a, n, "crashed").await, Reservation::Granted);
    }
    tokio::time::sleep(SHORT * 2).await;
    for n in 0..NONCES {
        let (one, other) = tokio::join!(reserve(&a, n, "copy-1"), reserve(&b, n, "copy-2"));
        assert_eq!(grants(one, other), 1);
    }
}

/// Nobody is granted what is being completed, whoever comes first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_completion_outlives_every_takeover_that_races_with_it() {
    const NONCES: u32 = 200;
    let (_server, a, b) = two().await;
    for n in 0..NONCES {
        let lease = std::time::Duration::ZERO;
        let (nonce, by) = (crate::support::nonce(n), crate::support::by("copy-1"));
        let reserved = a.reserve(&nonce, &by, lease, crate::support::HOUR).await.unwrap();
        assert_eq!(reserved, Reservation::Granted);
        let ((), _) = tokio::join!(commit(&a, n, "copy-1"), reserve(&b, n, "copy-2"));
        assert_eq!(reserve(&b, n, "copy-2").await, Reservation::Replayed);
    }
}
