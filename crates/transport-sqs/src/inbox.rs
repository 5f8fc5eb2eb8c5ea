//! Messages between the poll that fetches them and the `recv` that takes them.
//!
//! A long poll must not be cut off: SQS would lock messages for an answer that nobody reads. So
//! each poll runs in a task of its own to its end, whatever becomes of the `recv` that began it,
//! and what it brings waits here for the next one. After closing it is given back at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_sqs::types::Message as SqsMessage;
use sealmq_queue_core::TransportError;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use crate::buffer::{Buffer, Fetched, Place, Taken};
use crate::lane::Lane;
use crate::limits::MAX_BATCH;

/// Closing waits for a poll that ends within this time, and leaves a longer one running.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// The poll that is under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Poll {
    pub(crate) number: u64,
    /// When the service answers at the latest.
    pub(crate) ends_at: Instant,
}

struct State {
    buffer: Buffer,
    poll: Option<Poll>,
    polls: u64,
    failure: Option<(u64, TransportError)>,
    /// Messages that the pending calls of `recv` ask for.
    wanted: usize,
    closed: bool,
}

pub(crate) struct Inbox {
    pub(crate) lane: Arc<Lane>,
    prefetch: usize,
    state: Mutex<State>,
    changed: Notify,
}

/// What a pending `recv` asks for, until it is dropped.
pub(crate) struct Wanted<'a>(&'a Inbox, usize);

impl Inbox {
    pub(crate) fn new(lane: Arc<Lane>, prefetch: usize) -> Arc<Self> {
        let state = State {
            buffer: Buffer::new(lane.lock, lane.connection.is_fifo()),
            poll: None,
            polls: 0,
            failure: None,
            wanted: 0,
            closed: false,
        };
        Arc::new(Self { lane, prefetch, state: Mutex::new(state), changed: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    pub(crate) fn want(&self, count: usize) -> Wanted<'_> {
        let mut state = self.state();
        state.wanted = state.wanted.saturating_add(count);
        Wanted(self, count)
    }

    pub(crate) fn check_open(&self) -> Result<(), TransportError> {
        self.lane.connection.check_open()?;
        if self.state().closed {
            let what = format!("receiver of queue {}", self.lane.queue.name);
            return Err(TransportError::closed(&what));
        }
        Ok(())
    }

    /// Takes up to `max` messages whose lock has half of its time left or more, of each group of a
    /// FIFO queue one at a time.
    ///
    /// Those with less are given back; those with none have gone back by themselves.
    pub(crate) fn take(&self, max: usize) -> Vec<Taken> {
        let (taken, stale) = self.state().buffer.take(max, Instant::now());
        self.lane.give_back_later(self.locked(stale));
        taken
    }

    /// When there may be something to take without a change.
    pub(crate) fn next_turn(&self) -> Option<Instant> {
        self.state().buffer.next_turn()
    }

    pub(crate) fn prolong(&self, place: &Place, until: Instant) {
        self.state().buffer.prolong(place, until);
    }

    pub(crate) fn pass_on(&self, place: &Place) {
        self.state().buffer.pass_on(place);
        self.changed.notify_waiters();
    }

    /// Ends a turn whose message comes again, and gives what waited for it and is still locked.
    pub(crate) fn give_up(&self, place: &Place, delay: Duration) -> Vec<SqsMessage> {
        let followers = self.state().buffer.give_up(place, delay);
        self.locked(followers)
    }

    /// Why the poll of this number failed, if it did.
    pub(crate) fn failure(&self, number: u64) -> Option<TransportError> {
        let state = self.state();
        let failure = state.failure.as_ref().filter(|(failed, _)| *failed == number);
        failure.map(|(_, error)| error.clone())
    }

    pub(crate) fn poll_under_way(&self) -> Option<Poll> {
        self.state().poll
    }

    /// Begins a poll that waits for whole seconds, as many of `wait` as it may, unless one is under
    /// way; gives the number of the one that is.
    pub(crate) fn poll(self: &Arc<Self>, wait: Duration) -> u64 {
        let mut state = self.state();
        if let Some(poll) = state.poll {
            return poll.number;
        }
        let (wait, now) = (self.lane.connection.poll_seconds(wait), Instant::now());
        let count = state.wanted.saturating_add(self.prefetch).clamp(1, MAX_BATCH);
        let count = state.buffer.sensible(count, now);
        state.polls += 1;
        let poll = Poll { number: state.polls, ends_at: now + wait };
        state.poll = Some(poll);
        drop(state);
        tokio::spawn(Arc::clone(self).run(poll, count, wait));
        poll.number
    }

    async fn run(self: Arc<Self>, poll: Poll, count: usize, wait: Duration) {
        let Lane { connection, queue, visibility_seconds, .. } = &*self.lane;
        let wait_seconds = u32::try_from(wait.as_secs()).unwrap_or_default();
        let received = connection.receive(queue, count, wait_seconds, *visibility_seconds).await;
        let at = Instant::now();
        {
            let mut state = self.state();
            match received {
                Ok(messages) => state.buffer.add(messages, at),
                Err(error) => state.failure = Some((poll.number, error)),
            }
        }
        if self.state().closed {
            let _ = self.give_back_all().await; // else they come again after their lock
        }
        self.state().poll = None;
        self.changed.notify_waiters();
    }

    /// Refuses further calls, gives back what nobody took, and waits for the poll under way if it
    /// ends soon. A longer one runs on and gives back by itself what it brings.
    pub(crate) async fn close(&self) -> Result<(), TransportError> {
        self.state().closed = true;
        self.changed.notify_waiters();
        let given_back = self.give_back_all().await;
        self.poll_ends_soon().await;
        given_back.and(self.give_back_all().await)
    }

    async fn poll_ends_soon(&self) {
        let patience = Instant::now() + CLOSE_PATIENCE;
        let soon = |poll: &Poll| poll.ends_at <= patience;
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable(); // before looking, so that no change is missed
            let Some(poll) = self.poll_under_way().filter(soon) else { return };
            // Its answer takes a while too.
            let given_up = poll.ends_at + CLOSE_PATIENCE;
            if tokio::time::timeout_at(given_up, changed).await.is_err() {
                return;
            }
        }
    }

    /// As [`Inbox::close`], for when nobody waits for it.
    pub(crate) fn abandon(&self) {
        self.state().closed = true;
        self.changed.notify_waiters();
        let left = self.drain();
        self.lane.give_back_later(self.locked(left));
    }

    fn drain(&self) -> Vec<Fetched> {
        self.state().buffer.drain()
    }

    async fn give_back_all(&self) -> Result<(), TransportError> {
        self.lane.give_back(self.locked(self.drain())).await
    }

    /// The messages that are still locked: giving back others could unlock them for their next
    /// holder.
    fn locked(&self, fetched: Vec<Fetched>) -> Vec<SqsMessage> {
        let now = Instant::now();
        let locked = fetched.into_iter().filter(|fetched| now - fetched.at < self.lane.lock);
        locked.map(|fetched| fetched.message).collect()
    }
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.0.state().wanted -= self.1;
    }
}
