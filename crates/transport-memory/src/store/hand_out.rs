//! Handing messages out: which come next, and under which lock.

use std::time::Duration;

use sealmq_queue_core::{DeadLetterInfo, Message};

use super::{Flow, Store};
use crate::clock::Tick;
use crate::entries::{Entry, Key, State};
use crate::groups::Wake;
use crate::session::HoldKey;

/// Room reserved for one hand-out; a larger one grows.
const MAX_RESERVED: usize = 1024;

/// The lock, or the hold on a session, is not the caller's any more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lost;

/// The right to settle one delivery: no other delivery of the message has this token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LockKey {
    pub(crate) message: Key,
    pub(crate) token: u64,
}

/// How messages are handed out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HandOut {
    /// How long they are locked; `None` removes them at once.
    pub(crate) lock: Option<Duration>,
    /// The session they are taken from, whose hold is their lock.
    pub(crate) hold: Option<HoldKey>,
}

/// A message that was handed out.
pub(crate) struct Taken {
    pub(crate) message: Message,
    pub(crate) key: LockKey,
    pub(crate) deliveries: u32,
    pub(crate) enqueued_at: Tick,
    pub(crate) lock: Option<Duration>,
    pub(crate) dead_letter: Option<Box<DeadLetterInfo>>,
}

impl Store {
    /// Hands out up to `max` messages in order.
    pub(crate) fn take(&mut self, max: usize, how: HandOut, now: Tick) -> Result<Vec<Taken>, Lost> {
        self.check_hold(how.hold)?;
        let mut taken = Vec::with_capacity(max.min(self.ready).min(MAX_RESERVED));
        while taken.len() < max {
            let next = match (&mut self.flow, how.hold) {
                (Flow::Line(lane), _) => lane.pop(&self.entries),
                (Flow::Groups(groups), Some(hold)) => groups.pop(hold.group, &self.entries),
                (Flow::Groups(groups), None) => groups.pop_free(&self.entries),
            };
            let Some(key) = next else { break };
            self.ready -= 1;
            taken.extend(self.hand_out(key, how, now));
        }
        let more = match &self.flow {
            Flow::Line(_) => self.ready > 0,
            Flow::Groups(groups) => !groups.are_sessions() && groups.has_listed(),
        };
        if more && !taken.is_empty() {
            self.wake = self.wake.max(Wake::One);
        }
        Ok(taken)
    }

    /// Hands out a message that was set aside.
    pub(crate) fn take_deferred(
        &mut self,
        sequence: u64,
        how: HandOut,
        now: Tick,
    ) -> Result<Option<Taken>, Lost> {
        self.check_hold(how.hold)?;
        let held = match (&self.flow, how.hold) {
            (Flow::Groups(groups), Some(hold)) => groups.held(hold),
            _ => None,
        };
        let Some(key) = self.entries.find(sequence) else {
            return Ok(None);
        };
        let Some(entry) = self.entries.get_mut(key) else {
            return Ok(None);
        };
        let session = entry.message.session_id.as_deref();
        let elsewhere = held.is_some_and(|(group, _)| session != Some(&*group.name));
        if entry.state != State::Deferred || elsewhere {
            return Ok(None);
        }
        entry.group = how.hold.map(|hold| hold.group);
        Ok(self.hand_out(key, how, now))
    }

    fn check_hold(&self, hold: Option<HoldKey>) -> Result<(), Lost> {
        match (&self.flow, hold) {
            (Flow::Groups(groups), Some(hold)) => groups.held(hold).map(|_| ()).ok_or(Lost),
            _ => Ok(()),
        }
    }

    fn hand_out(&mut self, key: Key, how: HandOut, now: Tick) -> Option<Taken> {
        let token = self.next_token();
        let entry = self.entries.get_mut(key)?;
        entry.deliveries = entry.deliveries.saturating_add(1);
        let (deliveries, enqueued_at) = (entry.deliveries, entry.enqueued_at);
        let mut lock = how.lock;
        let (message, dead_letter) = if let Some(lock) = &mut lock {
            let mut until = now.after(*lock);
            if let (Flow::Groups(groups), Some(group)) = (&mut self.flow, entry.group) {
                if let Some(hold) = how.hold {
                    until = Tick::NEVER;
                    *lock = groups.remaining(hold, now).unwrap_or_default();
                }
                groups.took(group, key);
            }
            entry.state = State::Locked { token, since: now, until };
            self.due.arm(until, key);
            (entry.message.clone(), entry.dead_letter.clone())
        } else {
            entry.state = State::Deferred; // It is not in line any more.
            let taken = (entry.take_message(), entry.dead_letter.take());
            self.remove(key);
            taken
        };
        let key = LockKey { message: key, token };
        Some(Taken { message, key, deliveries, enqueued_at, lock, dead_letter })
    }

    pub(super) fn locked(&self, key: LockKey) -> Result<&Entry, Lost> {
        let entry = self.entries.get(key.message).ok_or(Lost)?;
        match entry.state {
            State::Locked { token, .. } if token == key.token => Ok(entry),
            _ => Err(Lost),
        }
    }
}
