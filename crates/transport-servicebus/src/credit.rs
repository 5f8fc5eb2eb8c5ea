//! How many messages to ask the broker for, and when to give back those nobody came for.

use tokio::time::{Duration, Instant};

use crate::arrived::Demand;

/// Without a caller that waits for so long, the broker is asked for nothing.
const IDLE: Duration = Duration::from_millis(20);
/// Messages that nobody came for in this time are given back.
const UNCLAIMED: Duration = Duration::from_secs(1);
/// The most messages to ask for at once: what a session may hold in its window.
const MOST: usize = 2_048;
/// Credit is stated again after these times. An answer to a drain that crosses new credit eats it
/// up, and AMQP gives no sign of it.
const RESTATED_AFTER: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(250), Duration::from_millis(1_000)];

/// What to do about credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Nothing,
    /// Let the broker send so many, all in all.
    Give(usize),
    /// Take back what it has not used.
    Drain,
}

/// The credit of one link.
#[derive(Debug, Default)]
pub(crate) struct Credit {
    drained_at: Option<Instant>,
    is_drained: bool,
    /// When credit was given after a drain, and how often it was stated since.
    given: Option<(Instant, usize)>,
}

impl Credit {
    /// What to do now. `outstanding` is what the broker was given and has not used, as far as the
    /// link knows, which does not learn of drains.
    pub(crate) fn step(&mut self, demand: Demand, prefetch: usize, outstanding: usize) -> Step {
        let now = Instant::now();
        let target = Self::target(demand, prefetch);
        let outstanding = if self.is_drained { 0 } else { outstanding };
        let is_urgent = demand.waiting > outstanding + demand.ready;
        if target > outstanding && (is_urgent || 2 * (target - outstanding) >= prefetch.max(1)) {
            let soon = |at: Instant| now.duration_since(at) < 2 * UNCLAIMED;
            let is_fresh = self.is_drained && self.drained_at.is_some_and(soon);
            self.given = is_fresh.then_some((now, 0));
            self.is_drained = false;
            return Step::Give(target);
        }
        if outstanding > target && demand.waiting == 0 {
            if now >= demand.last_wanted + IDLE {
                self.is_drained = true;
                self.drained_at = Some(now);
                self.given = None;
                return Step::Drain;
            }
            return Step::Nothing;
        }
        if self.restate_at().is_some_and(|at| at <= now)
            && let Some((_, stated)) = &mut self.given
        {
            *stated += 1;
            if outstanding > 0 {
                return Step::Give(outstanding);
            }
        }
        Step::Nothing
    }

    fn target(demand: Demand, prefetch: usize) -> usize {
        prefetch.max(demand.waiting).saturating_sub(demand.ready).min(MOST)
    }

    fn restate_at(&self) -> Option<Instant> {
        let (given_at, stated) = self.given?;
        RESTATED_AFTER.get(stated).map(|after| given_at + *after)
    }

    /// When to call [`Credit::step`] again though nothing happens.
    pub(crate) fn due_at(&self, demand: Demand) -> Option<Instant> {
        let may_drain = demand.waiting == 0 && !self.is_drained;
        let drain_at = may_drain.then(|| demand.last_wanted + IDLE);
        let drain_at = drain_at.filter(|at| *at > Instant::now());
        drain_at.into_iter().chain(self.restate_at()).min()
    }

    /// Whether messages are there that nobody came for: those fetched ahead were asked for.
    pub(crate) fn is_unclaimed(&self, demand: Demand, prefetch: usize) -> bool {
        let since = demand.last_wanted + UNCLAIMED;
        prefetch == 0 && demand.waiting == 0 && demand.ready > 0 && since <= Instant::now()
    }

    /// When to give back messages: those nobody came for, or whose lock is about to run out.
    pub(crate) fn release_at(
        &self,
        demand: Demand,
        prefetch: usize,
        holds_session: bool,
    ) -> Option<Instant> {
        let (received_at, lock) = demand.oldest?;
        let may_wait = prefetch > 0 || demand.waiting > 0;
        let unclaimed = (!may_wait).then(|| demand.last_wanted + UNCLAIMED);
        // What belongs to a session is locked for as long as the session is.
        let stale = (!holds_session).then(|| Self::stale_at(received_at, lock));
        unclaimed.into_iter().chain(stale).min()
    }

    /// When too little of a lock is left to hand its message out.
    pub(crate) fn stale_at(received_at: Instant, lock: Duration) -> Instant {
        received_at + lock.mul_f64(0.75)
    }

    /// Whether messages may be on their way.
    pub(crate) fn is_outstanding(&self, outstanding: usize) -> bool {
        let settled = |at: Instant| at.elapsed() > UNCLAIMED;
        outstanding > 0 && !(self.is_drained && self.drained_at.is_some_and(settled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(waiting: usize, ready: usize, idle: Duration) -> Demand {
        let last_wanted = Instant::now() - idle;
        Demand { waiting, ready, last_wanted, oldest: None }
    }

    #[test]
    fn credit_is_the_room_there_is() {
        let now = Duration::ZERO;
        let step = |waiting, ready, prefetch, outstanding| {
            Credit::default().step(demand(waiting, ready, now), prefetch, outstanding)
        };
        assert_eq!(step(0, 0, 0, 0), Step::Nothing, "nobody waits");
        assert_eq!(step(10, 0, 0, 0), Step::Give(10));
        assert_eq!(step(10, 0, 0, 10), Step::Nothing, "it was given");
        assert_eq!(step(10, 4, 0, 0), Step::Give(6), "some are there");
        assert_eq!(step(0, 0, 20, 0), Step::Give(20), "fetched ahead");
        assert_eq!(step(0, 15, 20, 0), Step::Nothing, "little by little is too often");
        assert_eq!(step(1, 0, 20, 19), Step::Nothing);
        assert_eq!(step(usize::MAX, 0, 0, 0), Step::Give(MOST));
    }

    #[test]
    fn credit_is_taken_back_when_nobody_waits() {
        let mut credit = Credit::default();
        assert_eq!(credit.step(demand(0, 0, Duration::ZERO), 0, 10), Step::Nothing);
        assert_eq!(credit.step(demand(0, 0, IDLE), 0, 10), Step::Drain);
        assert_eq!(credit.step(demand(0, 0, IDLE), 0, 10), Step::Nothing, "once is enough");
        assert_eq!(credit.step(demand(0, 0, IDLE), 10, 10), Step::Give(10), "fetched ahead");
    }

    #[tokio::test(start_paused = true)]
    async fn credit_given_soon_after_a_drain_is_stated_again() {
        let mut credit = Credit::default();
        assert_eq!(credit.step(demand(0, 0, IDLE), 0, 10), Step::Drain);
        assert_eq!(credit.step(demand(5, 0, IDLE), 0, 10), Step::Give(5));
        assert_eq!(credit.step(demand(5, 0, IDLE), 0, 5), Step::Nothing);
        for (after, expected) in [(50, Step::Give(5)), (200, Step::Give(5)), (750, Step::Give(5))] {
            tokio::time::advance(Duration::from_millis(after)).await;
            assert_eq!(credit.step(demand(5, 0, IDLE), 0, 5), expected, "after {after} ms more");
        }
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(credit.step(demand(5, 0, IDLE), 0, 5), Step::Nothing, "it has arrived by now");
    }

    #[test]
    fn messages_nobody_came_for_are_given_back() {
        let credit = Credit::default();
        let at = |prefetch, waiting| {
            let received_at = Instant::now();
            let lock = Duration::from_secs(60);
            let oldest = Some((received_at, lock));
            let demand = Demand { oldest, ..demand(waiting, 1, 2 * UNCLAIMED) };
            let release_at = credit.release_at(demand, prefetch, false).unwrap();
            release_at.saturating_duration_since(received_at)
        };
        assert_eq!(at(0, 0), Duration::ZERO, "nobody came for it");
        assert_eq!(at(5, 0), Duration::from_secs(45), "fetched ahead, until its lock is short");
        assert_eq!(at(0, 1), Duration::from_secs(45));
    }
}
