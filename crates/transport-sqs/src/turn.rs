//! A delivery's turn in its group, from being handed out until it is settled or dropped.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::types::Message as SqsMessage;
use tokio::time::Instant;

use crate::buffer::Place;
use crate::inbox::Inbox;

/// What waits behind the delivery is given back when this is dropped before [`Turn::pass_on`]: the
/// service gives the delivery's message to the next who asks, and the others after it.
pub(crate) struct Turn {
    inbox: Arc<Inbox>,
    place: Place,
}

impl Turn {
    pub(crate) fn new(inbox: &Arc<Inbox>, place: Place) -> Self {
        Self { inbox: Arc::clone(inbox), place }
    }

    /// The delivery's lock lasts until then.
    pub(crate) fn prolong(&self, until: Instant) {
        self.inbox.prolong(&self.place, until);
    }

    /// The delivery is done: the next of the group may be handed out.
    pub(crate) fn pass_on(&self) {
        self.inbox.pass_on(&self.place);
    }

    /// The delivery comes again after `delay`: what waits behind it is to be given back.
    pub(crate) fn give_up(&self, delay: Duration) -> Vec<SqsMessage> {
        self.inbox.give_up(&self.place, delay)
    }

    /// The same, with everything given back in the background.
    pub(crate) fn lose(&self) {
        let followers = self.give_up(Duration::ZERO);
        self.inbox.lane.give_back_later(followers);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.lose();
    }
}
