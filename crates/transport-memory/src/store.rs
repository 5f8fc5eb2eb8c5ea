//! The messages of one queue, or of its dead-letter queue: storing them, and time passing.

mod changes;
mod hand_out;

use std::time::Duration;

use sealmq_queue_core::{DeadLetterInfo, Message};

use crate::clock::Tick;
use crate::config::{QueueKind, QueueSettings};
use crate::entries::{Entries, Entry, State};
use crate::groups::{Groups, Wake};
use crate::lane::Lane;
use crate::timers::Timers;

pub(crate) use changes::ExtendError;
pub(crate) use hand_out::{HandOut, LockKey, Lost, Taken};

/// How messages are picked for hand-out.
enum Flow {
    Line(Lane),
    Groups(Groups),
}

/// A message to store.
pub(crate) struct Arrival {
    pub(crate) message: Message,
    pub(crate) delay: Duration,
    pub(crate) expires_at: Tick,
    pub(crate) dead_letter: Option<Box<DeadLetterInfo>>,
}

/// A message on its way to the dead-letter queue.
pub(crate) struct Departure {
    pub(crate) message: Message,
    pub(crate) info: Box<DeadLetterInfo>,
}

pub(crate) struct Store {
    entries: Entries,
    flow: Flow,
    /// Lock expiries and the ends of delays.
    due: Timers,
    /// Ends of the time to live.
    expiries: Timers,
    ready: usize,
    last_token: u64,
    max_deliveries: Option<u32>,
    dead_letter_expired: bool,
    departures: Vec<Departure>,
    wake: Wake,
}

impl Store {
    pub(crate) fn new(settings: &QueueSettings) -> Self {
        let flow = match settings.kind {
            QueueKind::Standard => Flow::Line(Lane::default()),
            QueueKind::OrderedGroups => Flow::Groups(Groups::new(false)),
            QueueKind::Sessions => Flow::Groups(Groups::new(true)),
        };
        Self {
            entries: Entries::default(),
            flow,
            due: Timers::default(),
            expiries: Timers::default(),
            ready: 0,
            last_token: 0,
            max_deliveries: settings.max_deliveries,
            dead_letter_expired: settings.dead_letter_expired,
            departures: Vec::new(),
            wake: Wake::Nobody,
        }
    }

    pub(crate) fn entries(&self) -> &Entries {
        &self.entries
    }

    /// Messages that wait to be received, also behind a blocked group.
    pub(crate) fn ready(&self) -> usize {
        self.ready
    }

    pub(crate) fn groups(&mut self) -> Option<&mut Groups> {
        match &mut self.flow {
            Flow::Line(_) => None,
            Flow::Groups(groups) => Some(groups),
        }
    }

    pub(crate) fn next_token(&mut self) -> u64 {
        self.last_token += 1;
        self.last_token
    }

    /// Messages to be moved to the dead-letter queue.
    pub(crate) fn take_departures(&mut self) -> Vec<Departure> {
        std::mem::take(&mut self.departures)
    }

    pub(crate) fn take_wake(&mut self) -> Wake {
        let wake = std::mem::replace(&mut self.wake, Wake::Nobody);
        match &mut self.flow {
            Flow::Groups(groups) => wake.max(groups.take_wake()),
            Flow::Line(_) => wake,
        }
    }

    /// Stores a message under a number higher than every one before.
    pub(crate) fn insert(&mut self, sequence: u64, arrival: Arrival, now: Tick) {
        let due = now.after(arrival.delay);
        let expires_at = arrival.expires_at;
        let key = self.entries.insert(Entry {
            sequence,
            message: arrival.message,
            state: State::Held { due, retry: false },
            visible_since: due,
            enqueued_at: now,
            expires_at,
            deliveries: 0,
            deferred: false,
            group: None,
            dead_letter: arrival.dead_letter,
        });
        self.expiries.arm(expires_at, key);
        if due > now {
            self.due.arm(due, key);
        } else {
            self.make_ready(key);
        }
    }

    /// Does what has become due by `now`.
    pub(crate) fn advance(&mut self, now: Tick) {
        while let Some((at, key)) = self.due.pop_due(now) {
            let Some(entry) = self.entries.get(key).filter(|e| e.due() == at) else {
                continue;
            };
            match entry.state {
                State::Held { .. } if entry.expires_at <= now => self.expire(key),
                State::Held { .. } => self.make_ready(key),
                _ => self.put_back(key, now, Duration::ZERO),
            }
        }
        while let Some(group) = self.groups().and_then(|groups| groups.overdue(now)) {
            self.end_hold(group, now);
        }
        while let Some((_, key)) = self.expiries.pop_due(now) {
            let entry = self.entries.get(key);
            // What is in flight may still be settled; it expires when it is put back.
            if entry.is_some_and(|e| !matches!(e.state, State::Locked { .. })) {
                self.expire(key);
            }
        }
    }

    /// When something will change by itself next.
    pub(crate) fn next_due(&mut self) -> Tick {
        let entries = &self.entries;
        let due = self.due.next(|at, key| entries.get(key).is_some_and(|entry| entry.due() == at));
        let expiry = self.expiries.next(|_, key| entries.contains(key));
        let hold = match &self.flow {
            Flow::Groups(groups) => groups.holds.first().map(|(until, _)| *until),
            Flow::Line(_) => None,
        };
        due.min(expiry).min(hold.unwrap_or(Tick::NEVER))
    }
}
