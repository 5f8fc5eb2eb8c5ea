//! Instants at which a message changes by itself, earliest first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::clock::Tick;
use crate::entries::Key;

/// A heap of due instants, cleaned lazily.
///
/// Disarming only counts: the caller tells a live instant from a dead one by what the message
/// says, and once the dead are more than half they are swept out. Both are O(1), amortized.
#[derive(Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Tick, Key)>>,
    dead: usize,
}

impl Timers {
    pub(crate) fn arm(&mut self, at: Tick, key: Key) {
        if at != Tick::NEVER {
            self.heap.push(Reverse((at, key)));
        }
    }

    /// Notes that one armed instant is no longer live.
    pub(crate) fn disarm(&mut self, is_live: impl Fn(Tick, Key) -> bool) {
        self.dead += 1;
        if self.dead > self.heap.len() / 2 + 32 {
            self.heap.retain(|Reverse((at, key))| is_live(*at, *key));
            self.dead = 0;
        }
    }

    /// Takes the earliest instant that has come, live or not.
    pub(crate) fn pop_due(&mut self, now: Tick) -> Option<(Tick, Key)> {
        let Reverse((at, _)) = self.heap.peek()?;
        if *at > now {
            return None;
        }
        self.heap.pop().map(|Reverse(due)| due)
    }

    /// The earliest live instant.
    pub(crate) fn next(&mut self, is_live: impl Fn(Tick, Key) -> bool) -> Tick {
        while let Some(Reverse((at, key))) = self.heap.peek() {
            if is_live(*at, *key) {
                return *at;
            }
            self.heap.pop();
            self.dead = self.dead.saturating_sub(1);
        }
        Tick::NEVER
    }
}
