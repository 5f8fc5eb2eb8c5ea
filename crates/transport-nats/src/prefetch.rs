//! Messages fetched ahead of `recv`, and how old they may get before they are handed out.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use sealmq_queue_core::{TransportError, TransportErrorKind};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep, sleep_until};

use crate::channel::Channel;
use crate::held::Held;
use crate::pull::pull;
use crate::pulled::Pulled;
use crate::stop::Stop;

/// How long one request for more waits.
const WAIT: Duration = Duration::from_secs(30);

/// Pause after a request that failed.
const PAUSE: Duration = Duration::from_millis(200);

/// A buffer that a task keeps filled.
pub(crate) struct Prefetch {
    shared: Arc<Shared>,
    released: Mutex<Option<oneshot::Receiver<Result<(), TransportError>>>>,
}

struct Shared {
    channel: Arc<Channel>,
    size: usize,
    state: Mutex<State>,
    arrived: Notify,
    taken: Notify,
}

#[derive(Default)]
struct State {
    buffer: VecDeque<Pulled>,
    error: Option<TransportError>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Messages whose locks are good for a while yet. Those that are not are left to the server,
    /// which delivers them again: settling them now could hit the next holder.
    fn take(&self, max: usize) -> VecDeque<Pulled> {
        let oldest = self.channel.rules.ack_wait.mul_f64(0.8);
        let mut state = self.state();
        let before = state.buffer.len();
        state.buffer.retain(|pulled| pulled.arrived.elapsed() < oldest);
        let count = max.min(state.buffer.len());
        let taken: VecDeque<_> = state.buffer.drain(..count).collect();
        if state.buffer.len() < before {
            self.taken.notify_one();
        }
        taken
    }

    /// Room for more, once at least half of the buffer is empty.
    fn room(&self) -> Option<usize> {
        let filled = self.state().buffer.len();
        (filled <= self.size / 2).then(|| self.size - filled)
    }
}

impl Prefetch {
    /// Starts to fetch up to `size` messages ahead, until it is stopped.
    pub(crate) fn start(channel: &Arc<Channel>, size: usize, stop: Stop) -> Self {
        let shared = Arc::new(Shared {
            channel: Arc::clone(channel),
            size,
            state: Mutex::default(),
            arrived: Notify::new(),
            taken: Notify::new(),
        });
        let (tell, released) = oneshot::channel();
        let filled = Arc::clone(&shared);
        channel.jetstream.connection.spawn(async move {
            fill(&filled, stop).await;
            let messages = std::mem::take(&mut filled.state().buffer);
            let held = Held { channel: Arc::clone(&filled.channel), messages };
            let _ = tell.send(held.release().await); // nobody waits when it was dropped
        });
        Self { shared, released: Mutex::new(Some(released)) }
    }

    /// Takes up to `max` messages, waiting for the first as long as it is told to.
    ///
    /// # Errors
    /// `Closed`, and the failure of the last request for more.
    pub(crate) async fn take(
        &self,
        max: usize,
        wait: Duration,
        mut stop: Stop,
    ) -> Result<Held, TransportError> {
        let channel = &self.shared.channel;
        let deadline = Instant::now() + wait.min(Duration::from_secs(86_400));
        loop {
            let arrived = self.shared.arrived.notified();
            stop.check()?;
            let messages = self.shared.take(max);
            if !messages.is_empty() {
                let held = Held { channel: Arc::clone(channel), messages };
                renew(&held).await?;
                return Ok(held);
            }
            if let Some(error) = self.shared.state().error.take() {
                return Err(error);
            }
            if wait.is_zero() {
                // Nothing fetched yet does not mean that there is nothing.
                return pull(channel, max, wait, stop).await;
            }
            tokio::select! {
                biased;
                () = stop.stopped() => return stop.check().map(|()| Held::none(channel)),
                () = arrived => {}
                () = sleep_until(deadline) => return Ok(Held::none(channel)),
            }
        }
    }

    /// Waits until what was fetched ahead was given back.
    ///
    /// # Errors
    /// `Unavailable` when it could not be.
    pub(crate) async fn released(&self) -> Result<(), TransportError> {
        let released = {
            let mut released = self.released.lock().unwrap_or_else(|p| p.into_inner());
            released.take()
        };
        match released {
            Some(released) => released.await.unwrap_or(Ok(())),
            None => Ok(()),
        }
    }
}

/// Makes the locks of messages that waited in the buffer last their full time again, from the
/// moment they are handed out.
async fn renew(held: &Held) -> Result<(), TransportError> {
    let young = held.channel.rules.ack_wait / 10;
    let client = &held.channel.jetstream.connection.client;
    for pulled in held.messages.iter().filter(|pulled| pulled.arrived.elapsed() > young) {
        let renewed = client.publish(pulled.reply().to_owned(), "+WPI".into()).await;
        renewed.map_err(|error| {
            TransportError::new(TransportErrorKind::Unavailable, "renewing a lock")
                .with_source(error)
        })?;
    }
    Ok(())
}

/// Keeps the buffer filled until it is stopped.
async fn fill(shared: &Shared, mut stop: Stop) {
    loop {
        let taken = shared.taken.notified();
        let Some(room) = shared.room() else {
            tokio::select! {
                () = stop.stopped() => return,
                () = taken => continue,
            }
        };
        match pull(&shared.channel, room, WAIT, stop.clone()).await {
            Ok(mut held) => shared.state().buffer.append(&mut held.messages),
            Err(error) if *error.kind() == TransportErrorKind::Closed => return,
            Err(error) => {
                shared.state().error = Some(error);
                shared.arrived.notify_waiters();
                tokio::select! {
                    () = stop.stopped() => return,
                    () = sleep(PAUSE) => {}
                }
            }
        }
        shared.arrived.notify_waiters();
    }
}
