//! The stored messages of one queue, found by sequence number and walked in its order.

use std::collections::VecDeque;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use bytes::Bytes;
use sealmq_queue_core::{DeadLetterInfo, Message};

use crate::clock::Tick;

/// An empty queue keeps room for so many messages.
const ROOM_KEPT: usize = 4096;

/// Where a stored message stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Receivable, or next in a group that is blocked.
    Ready,
    /// Handed out. `until` is `NEVER` where the hold of a session decides.
    Locked { token: u64, since: Tick, until: Tick },
    /// Held back until `due`: scheduled, or abandoned with a delay.
    Held { due: Tick, retry: bool },
    /// Set aside, receivable by its sequence number.
    Deferred,
}

/// One stored copy of a message.
pub(crate) struct Entry {
    pub(crate) sequence: u64,
    pub(crate) message: Message,
    pub(crate) state: State,
    /// When it first could be received: the order of the queue.
    pub(crate) visible_since: Tick,
    pub(crate) enqueued_at: Tick,
    pub(crate) expires_at: Tick,
    pub(crate) deliveries: u32,
    /// Once set aside it stays so: giving it back sets it aside again.
    pub(crate) deferred: bool,
    /// Its group or session, where the queue has them.
    pub(crate) group: Option<u64>,
    pub(crate) dead_letter: Option<Box<DeadLetterInfo>>,
}

impl Entry {
    /// Takes the message out of an entry that is about to be removed.
    pub(crate) fn take_message(&mut self) -> Message {
        std::mem::replace(&mut self.message, Message::with_id(String::new(), Bytes::new()))
    }

    /// When its state changes by itself.
    pub(crate) fn due(&self) -> Tick {
        match self.state {
            State::Locked { until, .. } => until,
            State::Held { due, .. } => due,
            State::Ready | State::Deferred => Tick::NEVER,
        }
    }
}

/// The handle of a stored message: its sequence number, and where it is kept.
///
/// A key outlives its message harmlessly: numbers are never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) sequence: u64,
    slot: usize,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.sequence);
    }
}

/// Spreads numbers that nobody outside can choose over a hash table.
#[derive(Default)]
pub(crate) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

pub(crate) type NumberHash = BuildHasherDefault<NumberHasher>;

/// All stored messages of one queue.
#[derive(Default)]
pub(crate) struct Entries {
    slots: Vec<Option<Entry>>,
    free: Vec<usize>,
    /// By sequence number; keys of removed messages stay until they reach the front or are too
    /// many.
    order: VecDeque<Key>,
}

impl Entries {
    /// Stores a message, whose number is higher than every one before.
    pub(crate) fn insert(&mut self, entry: Entry) -> Key {
        let sequence = entry.sequence;
        let slot = if let Some(slot) = self.free.pop() {
            self.slots[slot] = Some(entry);
            slot
        } else {
            self.slots.push(Some(entry));
            self.slots.len() - 1
        };
        let key = Key { sequence, slot };
        self.order.push_back(key);
        key
    }

    pub(crate) fn get(&self, key: Key) -> Option<&Entry> {
        let entry = self.slots.get(key.slot)?.as_ref();
        entry.filter(|entry| entry.sequence == key.sequence)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut Entry> {
        let entry = self.slots.get_mut(key.slot)?.as_mut();
        entry.filter(|entry| entry.sequence == key.sequence)
    }

    pub(crate) fn contains(&self, key: Key) -> bool {
        self.get(key).is_some()
    }

    /// The key of the message of this number, if it is stored.
    pub(crate) fn find(&self, sequence: u64) -> Option<Key> {
        let place = self.order.partition_point(|key| key.sequence < sequence);
        let key = *self.order.get(place)?;
        (key.sequence == sequence && self.contains(key)).then_some(key)
    }

    /// Drops a message in its place: an entry is large to move.
    pub(crate) fn remove(&mut self, key: Key) {
        if !self.contains(key) {
            return;
        }
        self.slots[key.slot] = None;
        self.free.push(key.slot);
        while let Some(front) = self.order.front()
            && !self.contains(*front)
        {
            self.order.pop_front();
        }
        if self.order.len() > 2 * self.len() + 64 {
            let mut order = std::mem::take(&mut self.order);
            order.retain(|key| self.contains(*key));
            self.order = order;
        }
        if self.len() == 0 && self.slots.len() > ROOM_KEPT {
            // A backlog that is gone gives its memory back.
            *self = Self::default();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// The messages from sequence number `from` on, in order.
    pub(crate) fn range(&self, from: u64) -> impl Iterator<Item = (u64, &Entry)> {
        let start = self.order.partition_point(|key| key.sequence < from);
        let keys = self.order.range(start..);
        keys.filter_map(|key| Some((key.sequence, self.get(*key)?)))
    }
}
