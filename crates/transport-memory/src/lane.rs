//! The line of messages that can be received, first in first out, retries at their old place.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::clock::Tick;
use crate::entries::{Entries, Key};

/// A message's place in line: when it first could be received, then its sequence number.
pub(crate) type Position = (Tick, Key);

/// Receivable messages in order.
///
/// Arrivals come in order and cost no search; what comes back takes its old place through a heap.
#[derive(Default)]
pub(crate) struct Lane {
    arrivals: VecDeque<Position>,
    returned: BinaryHeap<Reverse<Position>>,
    /// Places of messages that left the queue without being popped, by expiring.
    stale: usize,
}

impl Lane {
    pub(crate) fn push(&mut self, position: Position) {
        if self.arrivals.back().is_none_or(|last| *last < position) {
            self.arrivals.push_back(position);
        } else {
            self.returned.push(Reverse(position));
        }
    }

    /// Takes the first message that is still stored.
    pub(crate) fn pop(&mut self, entries: &Entries) -> Option<Key> {
        loop {
            let (_, key) = self.pop_place()?;
            if entries.contains(key) {
                return Some(key);
            }
            self.stale = self.stale.saturating_sub(1);
        }
    }

    fn pop_place(&mut self) -> Option<Position> {
        match (self.arrivals.front(), self.returned.peek()) {
            (Some(arrival), Some(Reverse(returned))) if returned < arrival => {
                self.returned.pop().map(|Reverse(position)| position)
            }
            (Some(_), _) => self.arrivals.pop_front(),
            (None, _) => self.returned.pop().map(|Reverse(position)| position),
        }
    }

    /// Notes that one of its messages is no longer stored.
    pub(crate) fn discard(&mut self, entries: &Entries) {
        self.stale += 1;
        if self.stale > self.places() / 2 + 32 {
            self.arrivals.retain(|(_, key)| entries.contains(*key));
            self.returned.retain(|Reverse((_, key))| entries.contains(*key));
            self.stale = 0;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.places() == self.stale
    }

    fn places(&self) -> usize {
        self.arrivals.len() + self.returned.len()
    }
}
