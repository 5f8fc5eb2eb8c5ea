//! What becomes of a stored message: settled, put back, expired, removed.

use std::time::Duration;

use sealmq_queue_core::{DeadLetterInfo, Message, Settlement};

use super::{Departure, Flow, LockKey, Lost, Store};
use crate::clock::Tick;
use crate::entries::{Key, State};
use crate::groups::Wake;

/// Why a lock was not lengthened.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ExtendError {
    Lost,
    /// Extensions included, the lock would last longer than the limit.
    TooLong,
}

impl Store {
    /// Settles a delivery whose lock is not lost.
    pub(crate) fn settle(
        &mut self,
        key: LockKey,
        settlement: Settlement,
        now: Tick,
    ) -> Result<(), Lost> {
        self.locked(key)?;
        match settlement {
            Settlement::Abandon { delay } => self.put_back(key.message, now, delay),
            Settlement::DeadLetter { reason, description } => {
                self.depart(key.message, reason, description)
            }
            Settlement::Defer => self.set_aside(key.message),
            _ => self.remove(key.message),
        }
        Ok(())
    }

    /// Locks a delivery until `duration` from now. For a session that is the session's hold, which
    /// is never shortened.
    pub(crate) fn extend(
        &mut self,
        key: LockKey,
        duration: Duration,
        max_lock: Duration,
        now: Tick,
    ) -> Result<(), ExtendError> {
        let entry = self.locked(key).map_err(|Lost| ExtendError::Lost)?;
        let until = now.after(duration);
        match (entry.state, entry.group, &mut self.flow) {
            (State::Locked { until: end, .. }, Some(group), Flow::Groups(groups))
                if end == Tick::NEVER && groups.are_sessions() =>
            {
                groups.prolong(group, until);
            }
            (State::Locked { token, since, .. }, ..) => {
                if until.since(since) > max_lock {
                    return Err(ExtendError::TooLong);
                }
                let state = State::Locked { token, since, until };
                self.change_state(key.message, state);
            }
            _ => return Err(ExtendError::Lost),
        }
        Ok(())
    }

    /// Removes a message that is still scheduled.
    pub(crate) fn cancel(&mut self, sequence: u64) -> bool {
        let Some(key) = self.entries.find(sequence) else {
            return false;
        };
        let entry = self.entries.get(key);
        let scheduled = entry.is_some_and(|e| matches!(e.state, State::Held { retry: false, .. }));
        if scheduled {
            self.remove(key);
        }
        scheduled
    }

    /// Removes the first message that can be received.
    pub(crate) fn pop(&mut self) -> Option<Message> {
        let Flow::Line(lane) = &mut self.flow else {
            return None;
        };
        let key = lane.pop(&self.entries)?;
        self.ready -= 1;
        let entry = self.entries.get_mut(key)?;
        entry.state = State::Deferred; // It is not in line any more.
        let message = entry.take_message();
        self.remove(key);
        Some(message)
    }

    /// Ends the hold of a session: what is in flight is put back.
    pub(super) fn end_hold(&mut self, group: u64, now: Tick) {
        let in_flight = self.groups().map(|groups| groups.end_hold(group));
        for key in in_flight.unwrap_or_default() {
            self.put_back(key, now, Duration::ZERO);
        }
    }

    /// Gives a delivery back, or moves it on if it has had its chances.
    pub(super) fn put_back(&mut self, key: Key, now: Tick, delay: Duration) {
        let Some(entry) = self.entries.get(key) else {
            return;
        };
        if let Some(max) = self.max_deliveries
            && entry.deliveries >= max
        {
            let description = format!("delivered {} times, at most {max}", entry.deliveries);
            self.depart(key, "MaxDeliveryCountExceeded".into(), description);
        } else if entry.expires_at <= now {
            self.expire(key);
        } else if entry.deferred {
            self.set_aside(key);
        } else if delay.is_zero() {
            self.make_ready(key);
        } else {
            self.hold_back(key, now.after(delay));
        }
    }

    /// Puts a message in line: a new one, one that is due, or one that comes back.
    pub(super) fn make_ready(&mut self, key: Key) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        let retry = matches!(entry.state, State::Held { retry: true, .. });
        let position = (entry.visible_since, key);
        self.ready += 1;
        match &mut self.flow {
            Flow::Line(lane) => {
                lane.push(position);
                self.wake = self.wake.max(Wake::One);
            }
            Flow::Groups(groups) => {
                let name = entry.message.session_id.as_deref().unwrap_or_default();
                let group = *entry.group.get_or_insert_with(|| groups.enter(name));
                groups.push(group, position, retry);
            }
        }
        self.change_state(key, State::Ready);
    }

    pub(super) fn expire(&mut self, key: Key) {
        if self.dead_letter_expired {
            let description = "the time to live of the message ran out";
            self.depart(key, "TTLExpiredException".into(), description.into());
        } else {
            self.remove(key);
        }
    }

    /// Removes a message, whatever its state.
    pub(super) fn remove(&mut self, key: Key) {
        let Some(entry) = self.entries.get(key) else {
            return;
        };
        let (state, due, expires_at, group) =
            (entry.state, entry.due(), entry.expires_at, entry.group);
        self.entries.remove(key);
        if due != Tick::NEVER {
            self.disarm_due();
        }
        let entries = &self.entries;
        if expires_at != Tick::NEVER {
            self.expiries.disarm(|_, key| entries.contains(key));
        }
        if state == State::Ready {
            self.ready -= 1;
        }
        match (&mut self.flow, group) {
            (Flow::Line(lane), _) if state == State::Ready => lane.discard(entries),
            (Flow::Groups(groups), Some(group)) => {
                groups.update(group, |group| match state {
                    State::Ready => group.lane.discard(entries),
                    State::Held { retry: true, .. } => group.retrying -= 1,
                    _ => drop(group.in_flight.remove(&key)),
                });
            }
            _ => {}
        }
    }

    fn depart(&mut self, key: Key, reason: String, description: String) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        let message = entry.take_message();
        self.remove(key);
        let info = DeadLetterInfo { reason: Some(reason), description: Some(description) };
        self.departures.push(Departure { message, info: Box::new(info) });
    }

    fn set_aside(&mut self, key: Key) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.deferred = true;
            let group = entry.group.take();
            self.change_state(key, State::Deferred);
            if let (Flow::Groups(groups), Some(group)) = (&mut self.flow, group) {
                groups.update(group, |group| group.in_flight.remove(&key));
            }
        }
    }

    fn hold_back(&mut self, key: Key, due: Tick) {
        self.change_state(key, State::Held { due, retry: true });
        let group = self.entries.get(key).and_then(|entry| entry.group);
        if let (Flow::Groups(groups), Some(group)) = (&mut self.flow, group) {
            groups.update(group, |group| {
                group.in_flight.remove(&key);
                group.retrying += 1;
            });
        }
    }

    fn change_state(&mut self, key: Key, state: State) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        let before = entry.due();
        entry.state = state;
        let due = entry.due();
        if before != Tick::NEVER {
            self.disarm_due();
        }
        self.due.arm(due, key);
    }

    fn disarm_due(&mut self) {
        let entries = &self.entries;
        self.due.disarm(|at, key| entries.get(key).is_some_and(|entry| entry.due() == at));
    }
}
