//! Message ids seen within a window of time.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Tick;

/// Remembers each id for the window, counted from the message that was stored; duplicates do not
/// prolong it.
pub(crate) struct Deduplication {
    window: Duration,
    seen: HashMap<Arc<str>, u64>,
    order: VecDeque<(Tick, Arc<str>)>,
}

impl Deduplication {
    pub(crate) fn new(window: Duration) -> Self {
        Self { window, seen: HashMap::new(), order: VecDeque::new() }
    }

    /// The sequence number of the message stored under this id within the window.
    pub(crate) fn original(&mut self, id: &str, now: Tick) -> Option<u64> {
        while let Some((_, id)) = self.order.pop_front_if(|(until, _)| *until <= now) {
            self.seen.remove(&id);
        }
        self.seen.get(id).copied()
    }

    pub(crate) fn remember(&mut self, id: &str, sequence: u64, now: Tick) {
        let id: Arc<str> = id.into();
        self.seen.insert(Arc::clone(&id), sequence);
        self.order.push_back((now.after(self.window), id));
    }
}
