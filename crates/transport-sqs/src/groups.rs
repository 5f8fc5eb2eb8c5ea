//! Whose turn it is in the groups of a FIFO queue: one message of each is handed out at a time.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// The groups of which a message is handed out or was given back.
#[derive(Default)]
pub(crate) struct Groups {
    turns: HashMap<String, Held>,
    numbers: u64,
    /// Groups whose first message failed while others of it were fetched, and until when that
    /// matters.
    failing: HashMap<String, Instant>,
}

struct Held {
    number: u64,
    /// The end of its lock: then the service gives it to the next who asks.
    until: Instant,
}

impl Groups {
    pub(crate) fn is_free(&self, group: &str, now: Instant) -> bool {
        self.held_until(group).is_none_or(|until| until <= now)
    }

    pub(crate) fn held_until(&self, group: &str) -> Option<Instant> {
        self.turns.get(group).map(|held| held.until)
    }

    /// Hands the turn to a message that is locked until then. Its number tells it from later ones.
    pub(crate) fn begin(&mut self, group: &str, until: Instant) -> u64 {
        self.numbers += 1;
        let held = Held { number: self.numbers, until };
        self.turns.insert(group.to_owned(), held);
        self.numbers
    }

    /// The message of this turn is locked until then.
    pub(crate) fn prolong(&mut self, group: &str, number: u64, until: Instant) {
        let held = self.turns.get_mut(group).filter(|held| held.number == number);
        if let Some(held) = held {
            held.until = until;
        }
    }

    pub(crate) fn is_turn(&self, group: &str, number: u64) -> bool {
        self.turns.get(group).is_some_and(|held| held.number == number)
    }

    /// Ends the turn; says whether it had not ended before.
    pub(crate) fn end(&mut self, group: &str, number: u64) -> bool {
        let ends = self.is_turn(group, number);
        if ends {
            self.turns.remove(group);
        }
        ends
    }

    /// The first message of the group is done.
    pub(crate) fn advanced(&mut self, group: &str) {
        self.failing.remove(group);
    }

    /// The first message of the group failed, and others were fetched in vain.
    pub(crate) fn failed(&mut self, group: &str, matters_for: Duration) {
        self.failing.insert(group.to_owned(), Instant::now() + matters_for);
    }

    /// Whether some group is failing: more than its first message would be fetched in vain, which
    /// the service counts as deliveries.
    pub(crate) fn is_any_failing(&mut self, now: Instant) -> bool {
        self.failing.retain(|_, until| *until > now);
        !self.failing.is_empty()
    }
}
