//! Holds of sessions: taken, renewed, let go and lost.

use std::sync::Arc;
use std::time::Duration;

use sealmq_queue_core::SessionSelector;

use crate::clock::Tick;
use crate::entries::Key;
use crate::groups::{Group, Groups, Hold};

/// The right to one session, until the hold is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HoldKey {
    pub(crate) group: u64,
    token: u64,
}

/// What came of asking for a session.
pub(crate) enum Accepted {
    Held(HoldKey, Arc<str>),
    /// The named session is held by another receiver.
    Busy,
    /// No session has messages and is free.
    NoneFree,
}

impl Groups {
    /// Takes the hold of a session until `until`.
    pub(crate) fn accept(
        &mut self,
        selector: &SessionSelector,
        token: u64,
        until: Tick,
    ) -> Accepted {
        let id = match selector {
            SessionSelector::Named(name) => self.enter(name),
            SessionSelector::Next => match self.next_free() {
                Some(id) => id,
                None => return Accepted::NoneFree,
            },
        };
        // Asking in vain must change nothing, or those who wait would wake each other for ever.
        if self.get(id).is_some_and(|group| group.hold.is_some()) {
            return Accepted::Busy;
        }
        let hold = |group: &mut Group| {
            group.hold = Some(Hold { token, until, closing: false });
            Accepted::Held(HoldKey { group: id, token }, Arc::clone(&group.name))
        };
        let accepted = self.update(id, hold);
        self.holds.insert((until, id));
        accepted.unwrap_or(Accepted::NoneFree)
    }

    /// The group this hold is on; `None` once the hold is lost.
    pub(crate) fn held(&self, key: HoldKey) -> Option<(&Group, &Hold)> {
        let group = self.get(key.group)?;
        let hold = group.hold.as_ref()?;
        (hold.token == key.token).then_some((group, hold))
    }

    /// Holds the session until `until`, at least.
    pub(crate) fn prolong(&mut self, id: u64, until: Tick) {
        let moved = self.update(id, |group| {
            let hold = group.hold.as_mut()?;
            let before = hold.until;
            hold.until = until.max(before);
            Some((before, hold.until))
        });
        if let Some(Some((before, until))) = moved {
            self.holds.remove(&(before, id));
            self.holds.insert((until, id));
        }
    }

    /// Lets the session go as soon as nothing of it is in flight.
    pub(crate) fn close(&mut self, key: HoldKey) {
        if self.held(key).is_some() {
            self.update(key.group, |group| {
                if let Some(hold) = &mut group.hold {
                    hold.closing = true;
                }
            });
        }
    }

    /// The group whose hold has run out first, if its time has come.
    pub(crate) fn overdue(&self, now: Tick) -> Option<u64> {
        let (until, id) = self.holds.first()?;
        (*until <= now).then_some(*id)
    }

    /// Ends the hold and says what is in flight, in order: it is to be put back.
    pub(crate) fn end_hold(&mut self, id: u64) -> Vec<Key> {
        let ended = self.update(id, |group| {
            let mut in_flight: Vec<Key> = group.in_flight.iter().copied().collect();
            in_flight.sort_unstable();
            (group.hold.take(), in_flight)
        });
        let Some((hold, in_flight)) = ended else {
            return Vec::new();
        };
        if let Some(hold) = hold {
            self.holds.remove(&(hold.until, id));
        }
        in_flight
    }

    /// How much longer the hold lasts.
    pub(crate) fn remaining(&self, key: HoldKey, now: Tick) -> Option<Duration> {
        self.held(key).map(|(_, hold)| hold.until.since(now))
    }
}
