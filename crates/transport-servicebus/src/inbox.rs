//! Messages that were received and not handed out yet, between the task that owns the link and
//! those who wait.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fe2o3_amqp::link::delivery::DeliveryInfo;
use sealmq_queue_core::TransportError;
use tokio::sync::{Notify, watch};
use tokio::time::{Duration, Instant, sleep_until};

use crate::wire::{Incoming, LockToken};

/// However short a caller would wait, the broker has so long to send what is there.
const SHORTEST_WAIT: Duration = Duration::from_millis(250);

/// More messages than this no caller is given at once.
const MOST_WANTED: usize = 2_048;

/// A message that was received.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) incoming: Incoming,
    pub(crate) info: DeliveryInfo,
    /// Which of the links of the receiver, one after the other, it came on.
    pub(crate) epoch: u64,
    pub(crate) token: Option<LockToken>,
    pub(crate) received_at: Instant,
    pub(crate) lock: Duration,
    /// Whether the broker was told to remove it and the answer got lost.
    pub(crate) perhaps_removed: bool,
}

impl Arrived {
    /// What is left of its lock.
    pub(crate) fn lock_left(&self) -> Duration {
        let elapsed = self.received_at.elapsed();
        // A little is spent on every way; a message that was just received has its whole lock.
        if elapsed < self.lock / 20 { self.lock } else { self.lock.saturating_sub(elapsed) }
    }
}

/// What the task that owns the link goes by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand {
    /// Messages that callers wait for.
    pub(crate) waiting: usize,
    /// Messages that are there for them.
    pub(crate) ready: usize,
    /// When a caller last waited.
    pub(crate) last_wanted: Instant,
    /// When the oldest message was received, and how long its lock lasts.
    pub(crate) oldest: Option<(Instant, Duration)>,
}

#[derive(Debug)]
struct State {
    ready: VecDeque<Arrived>,
    waiting: usize,
    last_wanted: Instant,
    trouble: Option<TransportError>,
    is_closed: bool,
    link: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Inbox {
    /// Names the receiver in errors.
    name: String,
    state: Mutex<State>,
    arrival: Notify,
    demand: Notify,
    in_flight: watch::Sender<usize>,
    stopped: watch::Sender<Option<Result<(), TransportError>>>,
}

impl Inbox {
    pub(crate) fn new(name: String) -> Self {
        let state = State {
            ready: VecDeque::new(),
            waiting: 0,
            last_wanted: Instant::now(),
            trouble: None,
            is_closed: false,
            link: None,
        };
        Self {
            name,
            state: Mutex::new(state),
            arrival: Notify::new(),
            demand: Notify::new(),
            in_flight: watch::Sender::new(0),
            stopped: watch::Sender::new(None),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // -- those who wait ---------------------------------------------------------------------------

    /// Up to `max` messages as soon as one is there; none after `wait`.
    ///
    /// Cancel-safe: messages are taken when they are returned.
    pub(crate) async fn next(
        &self,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Arrived>, TransportError> {
        if let Some(outcome) = self.take(max) {
            return outcome;
        }
        let _waiting = Waiting::begin(self, max);
        let deadline = Instant::now() + wait.max(SHORTEST_WAIT).min(Duration::from_secs(86_400));
        loop {
            let mut arrival = pin!(self.arrival.notified());
            arrival.as_mut().enable();
            if let Some(outcome) = self.take(max) {
                return outcome;
            }
            tokio::select! {
                biased;
                () = arrival => {}
                () = sleep_until(deadline) => {
                    return match &self.state().trouble {
                        Some(trouble) => Err(trouble.clone()),
                        None => Ok(Vec::new()),
                    };
                }
            }
        }
    }

    /// What there is at once: messages, or an error that waiting does not mend.
    fn take(&self, max: usize) -> Option<Result<Vec<Arrived>, TransportError>> {
        let mut state = self.state();
        if state.is_closed {
            return Some(Err(self.closed()));
        }
        if max == 0 {
            return Some(Ok(Vec::new()));
        }
        let count = state.ready.len().min(max);
        if count > 0 {
            let taken: Vec<_> = state.ready.drain(..count).collect();
            drop(state);
            self.demand.notify_one(); // there is room again
            return Some(Ok(taken));
        }
        let trouble = state.trouble.as_ref().filter(|trouble| !trouble.is_retryable());
        trouble.map(|trouble| Err(trouble.clone()))
    }

    /// Puts messages back in front: they are to be handed out another time.
    pub(crate) fn put_back(&self, arrived: Vec<Arrived>) {
        let mut state = self.state();
        for arrived in arrived.into_iter().rev() {
            state.ready.push_front(arrived);
        }
    }

    pub(crate) fn closed(&self) -> TransportError {
        TransportError::closed(&self.name)
    }

    /// `Closed`, or what ended the receiver for good.
    pub(crate) fn check(&self) -> Result<(), TransportError> {
        let state = self.state();
        if state.is_closed {
            return Err(self.closed());
        }
        match state.trouble.as_ref().filter(|trouble| !trouble.is_retryable()) {
            Some(trouble) => Err(trouble.clone()),
            None => Ok(()),
        }
    }

    /// What ended the receiver for good, closed or not.
    pub(crate) fn trouble(&self) -> Option<TransportError> {
        self.state().trouble.clone()
    }

    /// The name of the link, while there is one.
    pub(crate) fn link(&self) -> Option<String> {
        self.state().link.clone()
    }

    // -- closing ----------------------------------------------------------------------------------

    /// Hands out nothing more, and wakes all who wait.
    pub(crate) fn close(&self) {
        self.state().is_closed = true;
        self.arrival.notify_waiters();
        self.demand.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    /// What became of the messages that were not handed out, once the task has seen to them.
    pub(crate) async fn stopped(&self) -> Result<(), TransportError> {
        let mut stopped = self.stopped.subscribe();
        match stopped.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Ok(())),
            Err(_) => Ok(()),
        }
    }

    pub(crate) fn set_stopped(&self, outcome: Result<(), TransportError>) {
        self.stopped.send_if_modified(|stopped| {
            let is_first = stopped.is_none();
            stopped.get_or_insert(outcome);
            is_first
        });
    }

    // -- deliveries in flight ---------------------------------------------------------------------

    pub(crate) fn begin_flight(&self) {
        self.in_flight.send_modify(|count| *count += 1);
    }

    pub(crate) fn end_flight(&self) {
        self.in_flight.send_modify(|count| *count = count.saturating_sub(1));
    }

    pub(crate) fn is_in_flight(&self) -> bool {
        *self.in_flight.borrow() > 0
    }

    /// Returns once every delivery that was handed out is settled or dropped.
    pub(crate) async fn landed(&self) {
        let _ = self.in_flight.subscribe().wait_for(|count| *count == 0).await;
    }

    // -- the task that owns the link --------------------------------------------------------------

    /// Returns when there may be something to do about demand.
    pub(crate) async fn demanded(&self) {
        self.demand.notified().await;
    }

    pub(crate) fn demand(&self) -> Demand {
        let state = self.state();
        Demand {
            waiting: state.waiting,
            ready: state.ready.len(),
            last_wanted: state.last_wanted,
            oldest: state.ready.front().map(|arrived| (arrived.received_at, arrived.lock)),
        }
    }

    pub(crate) fn push(&self, arrived: Vec<Arrived>) {
        self.state().ready.extend(arrived);
        self.arrival.notify_waiters();
    }

    /// Takes the messages from the front for as long as `leave` says so.
    pub(crate) fn take_while(&self, leave: impl Fn(&Arrived) -> bool) -> Vec<Arrived> {
        let ready = &mut self.state().ready;
        let count = ready.iter().take_while(|arrived| leave(arrived)).count();
        ready.drain(..count).collect()
    }

    /// Notes what keeps messages from coming; what waiting does not mend ends the waiting.
    pub(crate) fn set_trouble(&self, trouble: Option<TransportError>) {
        self.state().trouble = trouble;
        self.arrival.notify_waiters();
    }

    pub(crate) fn set_link(&self, link: Option<String>) {
        self.state().link = link;
    }
}

/// A caller that waits, until it is dropped.
struct Waiting<'a> {
    inbox: &'a Inbox,
    max: usize,
}

impl<'a> Waiting<'a> {
    fn begin(inbox: &'a Inbox, max: usize) -> Self {
        let max = max.min(MOST_WANTED);
        let mut state = inbox.state();
        state.waiting = state.waiting.saturating_add(max);
        drop(state);
        inbox.demand.notify_one();
        Self { inbox, max }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.inbox.state();
        state.waiting = state.waiting.saturating_sub(self.max);
        state.last_wanted = Instant::now();
        drop(state);
        self.inbox.demand.notify_one();
    }
}
