//! Messages between the poll that fetches them and the `recv` that takes them.
//!
//! A long poll must not be cut off: SQS would lock messages for an answer that nobody reads. So
//! each poll runs in a task of its own to its end, whatever becomes of the `recv` that began it,
//! and what it brings waits here for the next one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_sqs::types::Message as SqsMessage;
use sealmq_queue_core::TransportError;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use crate::capabilities::MAX_BATCH;
use crate::lane::Lane;

/// The longest a poll can wait.
///
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html>
const MAX_POLL: Duration = Duration::from_secs(20);

/// A fetched message, locked since.
pub(crate) struct Fetched {
    pub(crate) message: SqsMessage,
    pub(crate) at: Instant,
}

/// The poll that is under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Poll {
    pub(crate) number: u64,
    /// When the service answers at the latest.
    pub(crate) ends_at: Instant,
}

#[derive(Default)]
struct State {
    buffer: VecDeque<Fetched>,
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
        Arc::new(Self { lane, prefetch, state: Mutex::default(), changed: Notify::new() })
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

    /// Takes up to `max` messages whose lock has half of its time left or more.
    ///
    /// Those with less are given back; those with none have gone back by themselves.
    pub(crate) fn take(self: &Arc<Self>, max: usize) -> Vec<Fetched> {
        let (lock, now) = (self.lane.lock, Instant::now());
        let mut state = self.state();
        let is_stale = |fetched: &Fetched| now - fetched.at > lock / 2;
        // The oldest stand first.
        let stale = state.buffer.iter().take_while(|fetched| is_stale(fetched)).count();
        let stale: Vec<_> = state.buffer.drain(..stale).collect();
        let count = max.min(state.buffer.len());
        let taken = state.buffer.drain(..count).collect();
        drop(state);
        self.give_back_later(stale);
        taken
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

    /// Begins a poll that waits for whole seconds, as many of `wait` as SQS allows, unless one is
    /// under way; gives the number of the one that is.
    ///
    /// A FIFO queue is asked for a single message: it would give several of one group, to be
    /// settled in any order.
    pub(crate) fn poll(self: &Arc<Self>, wait: Duration) -> u64 {
        let mut state = self.state();
        if let Some(poll) = state.poll {
            return poll.number;
        }
        let wait = Duration::from_secs(wait.min(MAX_POLL).as_secs());
        let count = match self.lane.connection.is_fifo() {
            true => 1,
            false => state.wanted.saturating_add(self.prefetch).clamp(1, MAX_BATCH),
        };
        state.polls += 1;
        let poll = Poll { number: state.polls, ends_at: Instant::now() + wait };
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
                Ok(messages) => {
                    let fetched = messages.into_iter().map(|message| Fetched { message, at });
                    state.buffer.extend(fetched);
                }
                Err(error) => state.failure = Some((poll.number, error)),
            }
        }
        if self.state().closed {
            let _ = self.give_back_all().await; // else they come again after their lock
        }
        self.state().poll = None;
        self.changed.notify_waiters();
    }

    /// Refuses further calls, lets the poll under way end and gives back what nobody took.
    pub(crate) async fn close(&self) -> Result<(), TransportError> {
        self.state().closed = true;
        self.changed.notify_waiters();
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.state().poll.is_none() {
                break;
            }
            changed.await;
        }
        self.give_back_all().await
    }

    /// As [`Inbox::close`], for when nobody waits for it.
    pub(crate) fn abandon(self: &Arc<Self>) {
        self.state().closed = true;
        self.changed.notify_waiters();
        let left = self.drain();
        self.give_back_later(left);
    }

    fn drain(&self) -> Vec<Fetched> {
        self.state().buffer.drain(..).collect()
    }

    async fn give_back_all(&self) -> Result<(), TransportError> {
        self.lane.give_back(self.locked(self.drain())).await
    }

    fn give_back_later(&self, left: Vec<Fetched>) {
        let left = self.locked(left);
        // Without a runtime they come again after their lock.
        if let (false, Ok(runtime)) = (left.is_empty(), tokio::runtime::Handle::try_current()) {
            let lane = Arc::clone(&self.lane);
            runtime.spawn(async move { lane.give_back(left).await });
        }
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
