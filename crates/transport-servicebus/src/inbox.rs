//! Messages that were received and not handed out yet, between the task that owns the link and
//! those who wait.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sealmq_queue_core::TransportError;
use tokio::sync::{Notify, watch};
use tokio::time::{Duration, Instant, sleep_until};

use crate::arrived::{Arrived, Demand};

/// However short a caller would wait, the broker has so long to send what is there.
const SHORTEST_WAIT: Duration = Duration::from_millis(250);

/// More messages than this no caller is given at once.
const MOST_WANTED: usize = 2_048;

/// What keeps messages from coming.
#[derive(Debug)]
struct Trouble {
    error: TransportError,
    /// Whether the receiver will never have another link.
    is_final: bool,
    /// Whether a caller was told. The next one waits for another try, unless there is none.
    was_told: bool,
}

#[derive(Debug)]
struct State {
    ready: VecDeque<Arrived>,
    waiting: usize,
    last_wanted: Instant,
    trouble: Option<Trouble>,
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
                        Some(trouble) => Err(trouble.error.clone()),
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
        let trouble = state.trouble.as_mut().filter(|trouble| !trouble.error.is_retryable())?;
        let is_news = !std::mem::replace(&mut trouble.was_told, true);
        (is_news || trouble.is_final).then(|| Err(trouble.error.clone()))
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
        if self.is_closed() {
            return Err(self.closed());
        }
        self.ended().map_or(Ok(()), Err)
    }

    /// What ended the receiver for good, closed or not.
    pub(crate) fn ended(&self) -> Option<TransportError> {
        let state = self.state();
        let trouble = state.trouble.as_ref().filter(|trouble| trouble.is_final);
        trouble.map(|trouble| trouble.error.clone())
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

    /// Notes that there is no link, or none that works.
    pub(crate) fn set_trouble(&self, error: TransportError) {
        self.note(Some(Trouble { error, is_final: false, was_told: false }));
    }

    /// Notes that there will be no link any more.
    pub(crate) fn set_ended(&self, error: TransportError) {
        self.note(Some(Trouble { error, is_final: true, was_told: false }));
    }

    fn note(&self, trouble: Option<Trouble>) {
        self.state().trouble = trouble;
        self.arrival.notify_waiters();
    }

    /// Notes that there is a link, of this name.
    pub(crate) fn set_linked(&self, link: String) {
        self.state().link = Some(link);
        self.note(None);
    }

    /// Notes that the link is gone.
    pub(crate) fn set_unlinked(&self) {
        self.state().link = None;
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
