//! The connection: dialling it, what happened to it since, closing it.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use async_nats::client::{Request, RequestErrorKind};
use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, Event, Message, Subject};
use bytes::Bytes;
use sealmq_queue_core::{TransportError, TransportErrorKind};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use crate::config::NatsConfig;
use crate::error;
use crate::violations::{Violations, denied};

/// The longest pause between two attempts to reconnect.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A connection to a server or cluster, shared by everything that was opened on it.
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) request_timeout: Duration,
    /// Counts the times the connection was made: a change tells that there was a gap.
    connects: watch::Receiver<u64>,
    closed: watch::Sender<bool>,
    noted: Arc<Noted>,
    /// What still has something to give back to the server.
    tasks: Mutex<JoinSet<()>>,
}

/// What the client told apart from any call.
#[derive(Default)]
struct Noted {
    slow_consumers: AtomicU64,
    violations: Violations,
}

impl Connection {
    /// Connects within the connect timeout.
    ///
    /// # Errors
    /// `InvalidInput` before any I/O, `Denied`, `Unavailable`.
    pub(crate) async fn open(config: &NatsConfig) -> Result<Self, TransportError> {
        config.validate()?;
        let addresses = config.server_addresses()?;
        let (connects_tx, connects) = watch::channel(0);
        let closed = watch::Sender::new(false);
        let noted = Arc::new(Noted::default());
        let options = || {
            let options = options(config, closed.subscribe())?;
            let (connects, noted) = (connects_tx.clone(), Arc::clone(&noted));
            Ok::<_, TransportError>(options.event_callback(move |event| {
                noted.take(&event, &connects);
                std::future::ready(())
            }))
        };
        let deadline = Instant::now() + config.connect_timeout;
        let mut attempt = 0;
        let client = loop {
            attempt += 1;
            let connecting = timeout_at(deadline, options()?.connect(addresses.as_slice()));
            let error = match connecting.await {
                Ok(Ok(client)) => break client,
                Ok(Err(error)) => error::connecting(error),
                Err(_) => unavailable("connecting: no answer in time"),
            };
            let pause = pause(attempt);
            let late = Instant::now() + pause >= deadline;
            if late || !config.retry_initial_connect || !error.is_retryable() {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
        };
        let request_timeout = config.request_timeout;
        let tasks = Mutex::default();
        Ok(Self { client, request_timeout, connects, closed, noted, tasks })
    }

    /// `Closed` once the connection was closed.
    pub(crate) fn check_open(&self) -> Result<(), TransportError> {
        if self.is_closed() { Err(TransportError::closed("connection")) } else { Ok(()) }
    }

    pub(crate) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// Turns true when the connection is closed.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closed.subscribe()
    }

    /// Changes when the connection was made again.
    pub(crate) fn reconnects(&self) -> watch::Receiver<u64> {
        self.connects.clone()
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// How often a message was dropped because a receiver was too slow.
    pub(crate) fn slow_consumers(&self) -> u64 {
        self.noted.slow_consumers.load(Ordering::Relaxed)
    }

    /// The error of a call to `subject` that was made at `since`: `Denied`, if it got no answer
    /// because the server forbids it.
    pub(crate) fn explain(
        &self,
        error: TransportError,
        subject: &str,
        since: Instant,
    ) -> TransportError {
        self.noted.violations.explain(error, subject, since)
    }

    /// Sends a request and waits for its answer, within the request timeout.
    pub(crate) async fn request(
        &self,
        subject: impl Into<Subject>,
        payload: impl Into<Bytes>,
    ) -> Result<Message, async_nats::client::RequestError> {
        let request = Request::new().payload(payload.into()).timeout(Some(self.request_timeout));
        self.client.send_request(subject.into(), request).await
    }

    /// Refuses what the server has forbidden to a call to `subject` since it was made, as far as
    /// the client has told by now.
    ///
    /// # Errors
    /// `Denied`.
    pub(crate) async fn check_permitted(
        &self,
        subject: &str,
        since: Instant,
    ) -> Result<(), TransportError> {
        // What the server forbade reaches us by a task of the client's: let it run first.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        if self.noted.violations.forbid(subject, since) { Err(denied(subject)) } else { Ok(()) }
    }

    /// Waits until the server has processed everything that was handed to the client so far.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) async fn round_trip(&self) -> Result<(), TransportError> {
        // Nobody listens to a fresh inbox, and the server says so: an answer nobody can forge
        // from outside the account, to a question that needs no permission but that to reply.
        match self.request(self.client.new_inbox(), Bytes::new()).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == RequestErrorKind::NoResponders => Ok(()),
            Err(error) => Err(error::requesting(error, "waiting for the server")),
        }
    }

    /// Runs a task that closing the connection waits for.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        while tasks.try_join_next().is_some() {}
        // Dropped outside of a runtime there is nobody to run it; locks run out then.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            tasks.spawn_on(task, &runtime);
        }
    }

    /// Closes the connection, once what receivers had fetched ahead was given back. Repeating it
    /// is fine.
    ///
    /// # Errors
    /// `Unavailable` when the server could not be told in time.
    pub(crate) async fn close(&self) -> Result<(), TransportError> {
        if self.closed.send_replace(true) {
            return Ok(());
        }
        let mut tasks = {
            let mut tasks = self.tasks.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            std::mem::take(&mut *tasks)
        };
        let closing = async {
            while tasks.join_next().await.is_some() {}
            self.client.flush().await.is_ok() && self.client.drain().await.is_ok()
        };
        match timeout(self.request_timeout, closing).await {
            Ok(true) => Ok(()),
            _ => Err(unavailable("closing the connection")),
        }
    }
}

fn unavailable(context: &str) -> TransportError {
    TransportError::new(TransportErrorKind::Unavailable, context)
}

fn options(
    config: &NatsConfig,
    closed: watch::Receiver<bool>,
) -> Result<ConnectOptions, TransportError> {
    // TLS is configured even when it was not asked for: a server may insist on it, and the NATS
    // client's own choice of a provider would depend on what else is linked into the process.
    let mut options = ConnectOptions::new()
        .connection_timeout(config.connect_timeout)
        .request_timeout(Some(config.request_timeout))
        .subscription_capacity(config.subscription_capacity)
        .tls_client_config(config.tls.client_config()?)
        .reconnect_delay_callback(move |attempt| {
            // The client never gives up; once nobody needs it, it may as well sleep.
            if *closed.borrow() { Duration::from_secs(86_400) } else { pause(attempt) }
        });
    if !config.tls.is_default() || config.tls_first {
        options = options.require_tls(true);
    }
    if config.tls_first {
        options = options.tls_first();
    }
    if let Some(name) = &config.connection_name {
        options = options.name(name);
    }
    config.credentials.apply(options)
}

/// Doubling pauses, spread by up to a half so that clients do not come back all at once.
fn pause(attempt: usize) -> Duration {
    if attempt <= 1 {
        return Duration::ZERO;
    }
    let doublings = u32::try_from(attempt - 2).unwrap_or(u32::MAX).min(10);
    let longest = (Duration::from_millis(20) * 2u32.pow(doublings)).min(LONGEST_PAUSE);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    longest.mul_f64(0.5 + f64::from(now.subsec_nanos() % 1_000) / 2_000.0)
}

impl Noted {
    fn take(&self, event: &Event, connects: &watch::Sender<u64>) {
        match event {
            Event::Connected => connects.send_modify(|connects| *connects += 1),
            Event::Disconnected => tracing::warn!("the connection to NATS broke; reconnecting"),
            Event::SlowConsumer(_) => {
                self.slow_consumers.fetch_add(1, Ordering::Relaxed);
                tracing::warn!("a receiver is too slow, NATS messages were dropped");
            }
            Event::LameDuckMode => tracing::warn!("the NATS server is about to go away"),
            Event::ServerError(error) => {
                tracing::warn!(%error, "the NATS server reports an error");
                self.violations.note(&error.to_string());
            }
            Event::ClientError(_) | Event::Draining | Event::Closed => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_attempt_is_made_at_once_and_pauses_stay_bounded() {
        assert_eq!(pause(1), Duration::ZERO);
        for attempt in [2, 3, 10, 100, usize::MAX] {
            let pause = pause(attempt);
            assert!(pause >= Duration::from_millis(10) && pause <= LONGEST_PAUSE, "{pause:?}");
        }
    }
}
