//! One queue behind its lock, and those who wait for it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use sealmq_queue_core::{DeliveryMetadata, Source, TransportError};
use tokio::sync::Notify;

use crate::clock::{MemoryClock, Tick};
use crate::config::QueueSettings;
use crate::groups::Wake;
use crate::queue::{QueueState, Side};

/// One queue with its dead-letter queue.
pub(crate) struct Queue {
    pub(crate) name: String,
    pub(crate) settings: QueueSettings,
    pub(crate) clock: MemoryClock,
    main_prefix: String,
    dead_prefix: String,
    guarded: Mutex<Guarded>,
    main_waiters: Notify,
    dead_waiters: Notify,
}

struct Guarded {
    state: QueueState,
    /// No one who waits sleeps beyond this; an earlier due instant must be made known.
    latest_alarm: Tick,
}

impl Queue {
    pub(crate) fn new(name: &str, settings: QueueSettings, clock: MemoryClock) -> Self {
        Self {
            name: name.to_owned(),
            clock,
            main_prefix: format!("{}/", Source::queue(name)),
            dead_prefix: format!("{}/", Source::dead_letter(name)),
            guarded: Mutex::new(Guarded {
                state: QueueState::new(&settings),
                latest_alarm: Tick::ZERO,
            }),
            settings,
            main_waiters: Notify::new(),
            dead_waiters: Notify::new(),
        }
    }

    /// Runs `act` on the state as it is now, and wakes whom the change concerns.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut QueueState, Tick) -> T) -> T {
        self.run(|state, now, _| act(state, now))
    }

    fn run<T>(&self, act: impl FnOnce(&mut QueueState, Tick, &mut Tick) -> T) -> T {
        let mut guard = self.guarded.lock().unwrap_or_else(PoisonError::into_inner);
        let Guarded { state, latest_alarm } = &mut *guard;
        // Read under the lock: time never runs backwards for a queue.
        let now = self.clock.now();
        state.advance(now);
        let out = act(state, now, latest_alarm);
        let (mut main, mut dead) = state.take_wakes();
        if *latest_alarm > Tick::ZERO && state.next_due() < *latest_alarm {
            *latest_alarm = Tick::ZERO;
            (main, dead) = (Wake::Everybody, Wake::Everybody);
        }
        drop(guard);
        wake(&self.main_waiters, main);
        wake(&self.dead_waiters, dead);
        out
    }

    /// Repeats `attempt` at every change until it yields something or `wait` has passed.
    ///
    /// Cancel-safe: what `attempt` takes is returned without another await.
    pub(crate) async fn wait_for<T>(
        &self,
        side: Side,
        wait: Duration,
        mut attempt: impl FnMut(&mut QueueState, Tick) -> Result<Option<T>, TransportError> + Send,
    ) -> Result<Option<T>, TransportError> {
        let waiters = self.waiters(side);
        let mut deadline = None;
        loop {
            // Made before the attempt, so that no change between the two goes unnoticed.
            let changed = waiters.notified();
            let mut again_at = Tick::NEVER;
            let out = self.run(|state, now, latest_alarm| {
                let out = attempt(state, now)?;
                let deadline = *deadline.get_or_insert_with(|| now.after(wait));
                if out.is_none() && deadline > now {
                    let due = state.next_due();
                    *latest_alarm = (*latest_alarm).max(due);
                    again_at = due.min(deadline);
                    return Ok::<_, TransportError>(None);
                }
                Ok(Some(out))
            })?;
            if let Some(out) = out {
                return Ok(out);
            }
            either(changed, self.clock.sleep_until(again_at)).await;
        }
    }

    /// Wakes everyone who waits, to look again whether they were closed.
    pub(crate) fn wake_all(&self) {
        wake(&self.main_waiters, Wake::Everybody);
        wake(&self.dead_waiters, Wake::Everybody);
    }

    fn waiters(&self, side: Side) -> &Notify {
        match side {
            Side::Main => &self.main_waiters,
            Side::Dead => &self.dead_waiters,
        }
    }

    /// What the broker says of a stored message that was accepted at `enqueued_at`.
    pub(crate) fn metadata(
        &self,
        side: Side,
        sequence: u64,
        deliveries: u32,
        enqueued_at: Tick,
    ) -> DeliveryMetadata {
        let prefix = match side {
            Side::Main => &self.main_prefix,
            Side::Dead => &self.dead_prefix,
        };
        let mut metadata = DeliveryMetadata::new(numbered(prefix, sequence));
        metadata.sequence_number = Some(sequence);
        metadata.delivery_count = deliveries;
        metadata.enqueued_at = self.clock.wall(enqueued_at);
        metadata
    }
}

fn wake(waiters: &Notify, whom: Wake) {
    match whom {
        Wake::Nobody => {}
        Wake::One => waiters.notify_one(),
        Wake::Everybody => waiters.notify_waiters(),
    }
}

/// Waits until one of the two is done.
async fn either(first: impl Future, second: impl Future) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    poll_fn(|context| {
        let done =
            first.as_mut().poll(context).is_ready() || second.as_mut().poll(context).is_ready();
        if done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// `prefix` and the decimal digits of `number`, in one allocation.
fn numbered(prefix: &str, mut number: u64) -> String {
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    let mut text = String::with_capacity(prefix.len() + digits.len() - start);
    text.push_str(prefix);
    text.push_str(str::from_utf8(&digits[start..]).unwrap_or_default());
    text
}
