//! Fetched messages in order, and which of them may be handed out.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use aws_sdk_sqs::types::{Message as SqsMessage, MessageSystemAttributeName as SystemAttribute};
use tokio::time::Instant;

use crate::groups::Groups;
use crate::wire::system_attribute;

/// A fetched message, locked since.
pub(crate) struct Fetched {
    pub(crate) message: SqsMessage,
    pub(crate) at: Instant,
}

impl Fetched {
    fn group(&self) -> &str {
        system_attribute(&self.message, &SystemAttribute::MessageGroupId).unwrap_or_default()
    }
}

/// The turn of a message in its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) group: String,
    pub(crate) number: u64,
}

/// A message to hand out, with its turn if the queue is ordered.
pub(crate) type Taken = (Fetched, Option<Place>);

pub(crate) struct Buffer {
    /// How long messages are locked.
    lock: Duration,
    waiting: VecDeque<Fetched>,
    /// Of a FIFO queue; a standard queue may have groups too, and does not order them.
    groups: Option<Groups>,
}

impl Buffer {
    pub(crate) fn new(lock: Duration, ordered: bool) -> Self {
        Self { lock, waiting: VecDeque::new(), groups: ordered.then(Groups::default) }
    }

    pub(crate) fn add(&mut self, messages: Vec<SqsMessage>, at: Instant) {
        self.waiting.extend(messages.into_iter().map(|message| Fetched { message, at }));
    }

    /// Takes up to `max` messages whose lock has half of its time left or more, of each group the
    /// first and only when it is its turn. Also takes out those with less, and what stands behind
    /// them in their group, to be given back.
    pub(crate) fn take(&mut self, max: usize, now: Instant) -> (Vec<Taken>, Vec<Fetched>) {
        let (mut taken, mut stale) = (Vec::new(), Vec::new());
        let mut stale_groups = HashSet::new();
        for fetched in std::mem::take(&mut self.waiting) {
            let is_stale = now - fetched.at > self.lock / 2;
            let Some(groups) = &mut self.groups else {
                match (is_stale, taken.len() < max) {
                    (true, _) => stale.push(fetched),
                    (false, true) => taken.push((fetched, None)),
                    (false, false) => self.waiting.push_back(fetched),
                }
                continue;
            };
            let group = fetched.group();
            if is_stale || stale_groups.contains(group) {
                stale_groups.insert(group.to_owned());
                stale.push(fetched);
            } else if taken.len() < max && groups.is_free(group, now) {
                let number = groups.begin(group, fetched.at + self.lock);
                let place = Place { group: group.to_owned(), number };
                taken.push((fetched, Some(place)));
            } else {
                self.waiting.push_back(fetched);
            }
        }
        (taken, stale)
    }

    /// When the first of the turns ends by itself that a message waits for.
    pub(crate) fn next_turn(&self) -> Option<Instant> {
        let groups = self.groups.as_ref()?;
        self.waiting.iter().filter_map(|fetched| groups.held_until(fetched.group())).min()
    }

    pub(crate) fn prolong(&mut self, place: &Place, until: Instant) {
        if let Some(groups) = &mut self.groups {
            groups.prolong(&place.group, place.number, until);
        }
    }

    /// The message of this turn is done: the next of its group may follow.
    pub(crate) fn pass_on(&mut self, place: &Place) {
        if let Some(groups) = &mut self.groups
            && groups.end(&place.group, place.number)
        {
            groups.advanced(&place.group);
        }
    }

    /// The message of this turn comes again, after `delay` at the earliest: ends the turn and takes
    /// out what waits behind it.
    pub(crate) fn give_up(&mut self, place: &Place, delay: Duration) -> Vec<Fetched> {
        let followers = self.take_followers(place);
        if let Some(groups) = &mut self.groups {
            groups.end(&place.group, place.number);
            if !followers.is_empty() {
                groups.failed(&place.group, delay.saturating_add(self.lock));
            }
        }
        followers
    }

    fn take_followers(&mut self, place: &Place) -> Vec<Fetched> {
        let is_turn =
            self.groups.as_ref().is_some_and(|groups| groups.is_turn(&place.group, place.number));
        if !is_turn {
            return Vec::new(); // whose turn it is now, is followed by them
        }
        let waiting = std::mem::take(&mut self.waiting);
        let (followers, others): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|fetched| fetched.group() == place.group);
        self.waiting = others.into();
        followers
    }

    /// How many messages to ask for at once, where so many could be of use.
    pub(crate) fn sensible(&mut self, count: usize, now: Instant) -> usize {
        let any_failing = self.groups.as_mut().is_some_and(|groups| groups.is_any_failing(now));
        if any_failing { 1 } else { count }
    }

    pub(crate) fn drain(&mut self) -> Vec<Fetched> {
        self.waiting.drain(..).collect()
    }
}

#[cfg(test)]
mod tests;
