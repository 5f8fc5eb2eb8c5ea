//! Ordered groups and sessions: which of them has a message to hand out, and which comes next.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use crate::clock::Tick;
use crate::entries::{Entries, Key, NumberHash};
use crate::lane::{Lane, Position};

/// Whom to wake after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wake {
    Nobody,
    /// One waiting receiver; it passes the word on while more is there.
    One,
    Everybody,
}

/// The exclusive hold of a session.
pub(crate) struct Hold {
    pub(crate) token: u64,
    pub(crate) until: Tick,
    /// The receiver was closed: the hold ends with its last delivery.
    pub(crate) closing: bool,
}

/// The messages of one session id.
pub(crate) struct Group {
    pub(crate) name: Arc<str>,
    pub(crate) lane: Lane,
    pub(crate) in_flight: HashSet<Key, NumberHash>,
    /// Messages that wait for their retry: what stands behind them waits too.
    pub(crate) retrying: usize,
    pub(crate) hold: Option<Hold>,
    pub(crate) state: Option<Bytes>,
    listed: bool,
}

impl Group {
    fn new(name: Arc<str>) -> Self {
        Self {
            name,
            lane: Lane::default(),
            in_flight: HashSet::default(),
            retrying: 0,
            hold: None,
            state: None,
            listed: false,
        }
    }

    fn has_next(&self) -> bool {
        !self.lane.is_empty() && self.retrying == 0
    }

    fn is_idle(&self) -> bool {
        self.lane.is_empty()
            && self.in_flight.is_empty()
            && self.retrying == 0
            && self.hold.is_none()
            && self.state.is_none()
    }
}

/// All groups of one queue that have messages, a hold or a state.
pub(crate) struct Groups {
    pub(crate) holds: BTreeSet<(Tick, u64)>,
    sessions: bool,
    names: HashMap<Arc<str>, u64>,
    groups: HashMap<u64, Group, NumberHash>,
    /// Groups to take from next, in the order they became free; checked again when taken.
    rotation: VecDeque<u64>,
    last_id: u64,
    woken: bool,
}

impl Groups {
    /// Ordered groups, or sessions, which are handed out to their holder only.
    pub(crate) fn new(sessions: bool) -> Self {
        Self {
            holds: BTreeSet::new(),
            sessions,
            names: HashMap::new(),
            groups: HashMap::default(),
            rotation: VecDeque::new(),
            last_id: 0,
            woken: false,
        }
    }

    pub(crate) fn are_sessions(&self) -> bool {
        self.sessions
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Group> {
        self.groups.get(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    /// The group of this name, made if there is none. It lasts until it is idle.
    pub(crate) fn enter(&mut self, name: &str) -> u64 {
        if let Some(id) = self.names.get(name) {
            return *id;
        }
        self.last_id += 1;
        let name: Arc<str> = name.into();
        self.names.insert(Arc::clone(&name), self.last_id);
        self.groups.insert(self.last_id, Group::new(name));
        self.last_id
    }

    /// Puts a message in its place; it is no longer in flight, nor a `retry` waited for.
    pub(crate) fn push(&mut self, id: u64, position: Position, retry: bool) {
        self.update(id, |group| {
            group.in_flight.remove(&position.1);
            group.retrying -= usize::from(retry);
            group.lane.push(position);
        });
    }

    /// Notes that a message was handed out: that frees nobody.
    pub(crate) fn took(&mut self, id: u64, key: Key) {
        if let Some(group) = self.groups.get_mut(&id) {
            group.in_flight.insert(key);
        }
    }

    /// Changes a group and draws the consequences: it may be free now, or forgotten.
    pub(crate) fn update<T>(&mut self, id: u64, change: impl FnOnce(&mut Group) -> T) -> Option<T> {
        let group = self.groups.get_mut(&id)?;
        let changed = change(group);
        if let Some(hold) = &group.hold {
            if hold.closing && group.in_flight.is_empty() {
                self.holds.remove(&(hold.until, id));
                group.hold = None;
            } else if group.has_next() {
                self.woken = true;
            }
        }
        if group.is_idle() {
            self.forget(id);
        } else if is_free(group, self.sessions) {
            if !group.listed {
                group.listed = true;
                self.rotation.push_back(id);
            }
            self.woken = true;
        } else if group.hold.is_none() {
            // A session without messages that was let go can be taken by name.
            self.woken |= self.sessions;
        }
        Some(changed)
    }

    fn forget(&mut self, id: u64) {
        if let Some(group) = self.groups.remove(&id) {
            self.names.remove(&group.name);
        }
        self.woken |= self.sessions;
        if self.rotation.len() > 2 * self.groups.len() + 32 {
            self.rotation.retain(|id| self.groups.contains_key(id));
        }
    }

    /// The next free group. It is not listed any more: hold it, or take from it.
    pub(crate) fn next_free(&mut self) -> Option<u64> {
        loop {
            let id = self.rotation.pop_front()?;
            if let Some(group) = self.groups.get_mut(&id) {
                group.listed = false;
                if is_free(group, self.sessions) {
                    return Some(id);
                }
            }
        }
    }

    /// Takes the first message of the next free group.
    pub(crate) fn pop_free(&mut self, entries: &Entries) -> Option<Key> {
        let id = self.next_free()?;
        self.groups.get_mut(&id)?.lane.pop(entries)
    }

    /// Takes the first message of this group, whoever holds it.
    pub(crate) fn pop(&mut self, id: u64, entries: &Entries) -> Option<Key> {
        let group = self.groups.get_mut(&id)?;
        if group.has_next() { group.lane.pop(entries) } else { None }
    }

    /// Who has something to look for: of those who wait for sessions, maybe only the last.
    pub(crate) fn take_wake(&mut self) -> Wake {
        match (std::mem::take(&mut self.woken), self.sessions) {
            (false, _) => Wake::Nobody,
            (true, false) => Wake::One,
            (true, true) => Wake::Everybody,
        }
    }

    /// Whether another group may be free.
    pub(crate) fn has_listed(&self) -> bool {
        !self.rotation.is_empty()
    }
}

/// Whether anyone may take the group's next message, or the session.
fn is_free(group: &Group, sessions: bool) -> bool {
    let taken = if sessions { group.hold.is_some() } else { !group.in_flight.is_empty() };
    group.has_next() && !taken
}
