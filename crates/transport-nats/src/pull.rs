//! One pull request: ask for messages, take what comes, give back what is left.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Subject, Subscriber};
use futures_util::StreamExt;
use sealmq_queue_core::{TransportError, TransportErrorKind};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::channel::Channel;
use crate::error::{PullStatus, pull_status};
use crate::held::Held;
use crate::pulled::Pulled;
use crate::stop::Stop;

/// The most messages asked for at a time.
const MOST_MESSAGES: usize = 1_000;

/// Requests that wait for longer ask for a sign of life every now and then.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// How long to wait for the rest once some messages are there: the server sends them in one go,
/// and then says that it has no more.
const LINGER: Duration = Duration::from_millis(500);

/// How long an answer to a request that does not wait may take, before it is asked why.
const PATIENCE_WITHOUT_WAIT: Duration = Duration::from_secs(1);

/// Pause before asking again when the server is about to hand over.
const PAUSE: Duration = Duration::from_millis(100);

/// The inbox of one pull request. Dropped before the request was over, it empties itself: what the
/// server had already sent is given back.
struct Inbox {
    channel: Arc<Channel>,
    subscriber: Option<Subscriber>,
    is_over: bool,
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let Some(mut subscriber) = self.subscriber.take().filter(|_| !self.is_over) else {
            return;
        };
        let mut held = Held::none(&self.channel);
        let bound = self.channel.jetstream.connection.request_timeout;
        self.channel.jetstream.connection.spawn(async move {
            let emptying = async {
                if subscriber.drain().await.is_ok() {
                    while let Some(message) = subscriber.next().await {
                        held.messages.extend(held.channel.jetstream.pulled(message));
                    }
                }
            };
            let _ = timeout(bound, emptying).await; // what came too late waits for its lock
        });
    }
}

/// Asks for up to `max` messages and waits for `wait`: returns with the first ones and what is
/// there together with them, or with none.
///
/// # Errors
/// `Closed`, `NotFound`, `Throttled`, `Unavailable`. Messages that came before are given back.
pub(crate) async fn pull(
    channel: &Arc<Channel>,
    max: usize,
    wait: Duration,
    mut stop: Stop,
) -> Result<Held, TransportError> {
    stop.check()?;
    let mut held = Held::none(channel);
    if max == 0 {
        return Ok(held);
    }
    let mut request = Request::new(channel, max.min(MOST_MESSAGES), wait).await?;
    while !request.has_ended {
        let heard = tokio::select! {
            biased;
            () = stop.stopped() => return stop.check().map(|()| held),
            heard = request.next(!held.messages.is_empty()) => heard,
        };
        held.messages.extend(heard?);
        if held.messages.len() == request.max {
            request.over();
        }
    }
    Ok(held)
}

/// A pull request that is under way.
struct Request {
    inbox: Inbox,
    subject: Subject,
    max: usize,
    deadline: Instant,
    wait: Duration,
    since: Instant,
    last_heard: Instant,
    reconnects: watch::Receiver<u64>,
    asked: u32,
    has_ended: bool,
}

impl Request {
    async fn new(
        channel: &Arc<Channel>,
        max: usize,
        wait: Duration,
    ) -> Result<Self, TransportError> {
        let connection = &channel.jetstream.connection;
        let subject = Subject::from(connection.client.new_inbox());
        let mut reconnects = connection.reconnects();
        reconnects.mark_unchanged();
        let subscriber = connection.client.subscribe(subject.clone()).await;
        let subscriber = subscriber
            .map_err(|error| unavailable("subscribing to an inbox").with_source(error))?;
        let inbox =
            Inbox { channel: Arc::clone(channel), subscriber: Some(subscriber), is_over: false };
        let now = Instant::now();
        // Far enough for any purpose, and no clock overflows.
        let wait = wait.min(Duration::from_secs(86_400));
        let mut request = Self {
            inbox,
            subject,
            max,
            deadline: now + wait,
            wait,
            since: now,
            last_heard: now,
            reconnects,
            asked: 0,
            has_ended: false,
        };
        request.ask().await?;
        Ok(request)
    }

    /// Sends the request, for as long as there is to wait.
    async fn ask(&mut self) -> Result<(), TransportError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        // `no_wait` with an expiry: send what is there at once; if there is nothing, wait for it.
        let mut request = serde_json::json!({ "batch": self.max, "no_wait": true });
        if left >= Duration::from_millis(1) {
            request["expires"] = nanoseconds(left).into();
            if left > 2 * HEARTBEAT {
                request["idle_heartbeat"] = nanoseconds(HEARTBEAT).into();
            }
        }
        let channel = &self.inbox.channel;
        let client = &channel.jetstream.connection.client;
        let (to, reply) = (channel.next_subject.clone(), self.subject.clone());
        let asked = client.publish_with_reply(to, reply, request.to_string().into()).await;
        asked.map_err(|error| unavailable("asking for messages").with_source(error))?;
        self.asked += 1;
        Ok(())
    }

    /// Nothing more will come: unless it was asked more than once, then the server may still be
    /// at the other request.
    fn over(&mut self) {
        self.inbox.is_over = self.asked == 1;
        self.has_ended = true;
    }

    /// How long the server may be silent.
    fn patience(&self, has_some: bool) -> Instant {
        let grace = self.inbox.channel.jetstream.connection.request_timeout;
        if has_some {
            self.last_heard + LINGER
        } else if self.wait.is_zero() {
            self.last_heard + grace.min(PATIENCE_WITHOUT_WAIT)
        } else if self.wait > 2 * HEARTBEAT {
            self.last_heard + 2 * HEARTBEAT + grace
        } else {
            self.deadline.max(self.last_heard) + grace
        }
    }

    /// The next thing that happens: a message, or nothing that matters. Dropping the call loses no
    /// message.
    async fn next(&mut self, has_some: bool) -> Result<Option<Pulled>, TransportError> {
        let patience = self.patience(has_some);
        let Some(subscriber) = self.inbox.subscriber.as_mut() else {
            return Err(TransportError::closed("connection"));
        };
        let message = tokio::select! {
            biased;
            message = subscriber.next() => message,
            changed = self.reconnects.changed(), if !has_some => {
                // The server forgot the request with the connection.
                changed.map_err(|_| TransportError::closed("connection"))?;
                self.last_heard = Instant::now();
                return self.ask().await.map(|()| None);
            }
            () = sleep_until(patience) => {
                self.has_ended = true;
                let has_nothing = has_some || (self.wait.is_zero() && self.is_held_up().await);
                return if has_nothing { Ok(None) } else { Err(self.unanswered()) };
            }
        };
        self.last_heard = Instant::now();
        let message = message.ok_or_else(|| TransportError::closed("connection"))?;
        let Some(status) = message.status else {
            return Ok(self.inbox.channel.jetstream.pulled(message));
        };
        let description = message.description.as_deref().unwrap_or_default();
        self.status(pull_status(status, description), description, has_some).await.map(|()| None)
    }

    /// Does what a status message demands.
    async fn status(
        &mut self,
        status: PullStatus,
        description: &str,
        has_some: bool,
    ) -> Result<(), TransportError> {
        let channel = Arc::clone(&self.inbox.channel);
        let refusal = |kind| {
            let context = format!("pulling from {}: {description}", channel.stream());
            TransportError::new(kind, context)
        };
        match status {
            PullStatus::Heartbeat => Ok(()),
            PullStatus::Over => {
                self.over();
                Ok(())
            }
            _ if has_some => {
                self.has_ended = true; // the next request will hear of it
                Ok(())
            }
            PullStatus::Gone => Err(refusal(TransportErrorKind::NotFound)),
            PullStatus::Throttled => {
                Err(refusal(TransportErrorKind::Throttled { retry_after: None }))
            }
            PullStatus::Refused => Err(refusal(TransportErrorKind::InvalidInput { field: "max" })),
            PullStatus::NobodyAnswers => {
                let otherwise = refusal(TransportErrorKind::Unavailable);
                let error = channel.jetstream.gone(channel.stream(), otherwise).await;
                if error.is_retryable() { self.ask_again(error).await } else { Err(error) }
            }
            PullStatus::Again => self.ask_again(refusal(TransportErrorKind::Unavailable)).await,
        }
    }

    /// Whether as many messages are in flight as may be. Then the server does not answer a request
    /// that does not wait until that changes, though it has nothing to give.
    async fn is_held_up(&self) -> bool {
        let channel = &self.inbox.channel;
        let found = channel.jetstream.consumer_of(channel.stream()).await;
        found.is_ok_and(|consumer| {
            let limit = usize::try_from(consumer.config.max_ack_pending).unwrap_or(usize::MAX);
            consumer.num_ack_pending >= limit
        })
    }

    /// The server was silent for too long.
    fn unanswered(&self) -> TransportError {
        let channel = &self.inbox.channel;
        let error = unavailable("no answer to a pull request");
        channel.jetstream.connection.explain(error, &channel.next_subject, self.since)
    }

    /// Asks again after a pause, unless there is no time left to wait.
    async fn ask_again(&mut self, otherwise: TransportError) -> Result<(), TransportError> {
        sleep(PAUSE).await;
        if Instant::now() >= self.deadline { Err(otherwise) } else { self.ask().await }
    }
}

fn unavailable(context: &str) -> TransportError {
    TransportError::new(TransportErrorKind::Unavailable, context)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
