//! What an adapter brings to be tested: a backend for the process, a harness for each case.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sealmq_queue_core::{Capabilities, Transport, TransportError};

use crate::outcome::{CaseResult, Stop};
use crate::runner::Time;
use crate::transport::Expectations;

/// A broker under test. It lives as long as the test program.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Short name, as in the list of allowed skips.
    fn name(&self) -> &'static str;

    /// What the clock does: [`Time::Paused`] only where nothing but tokio's clock is waited for.
    fn time(&self) -> Time {
        Time::Real
    }

    /// Real time after which a case counts as hanging.
    fn case_timeout(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// How many cases run at once; `None` for one on each processor. In real time they mostly wait.
    fn cases_at_once(&self) -> Option<usize> {
        match self.time() {
            Time::Real => Some(8),
            Time::Paused => None,
        }
    }

    /// The harness of one case. It is made inside the case's own runtime; `time` says how that
    /// runtime's clock runs, which is real for cases with several threads.
    async fn harness(&self, time: Time) -> CaseResult<Box<dyn Harness>>;
}

/// What a case can ask of the broker it is tested on.
///
/// What a backend cannot do it leaves at the default, which skips the case; the skip then has to
/// be listed with its reason.
#[async_trait]
pub trait Harness: Send + Sync {
    /// Another connection to the broker.
    async fn transport(&self) -> CaseResult<Arc<dyn Transport>>;

    /// Makes an empty queue with a dead-letter queue, and gives its address. `name` is unique;
    /// the address may differ from it.
    async fn create_queue(&self, name: &str, spec: &QueueSpec) -> CaseResult<String>;

    /// Removes a queue once its case has ended.
    async fn remove_queue(&self, _address: &str) {}

    /// The kind of queue for cases that do not care. Where it is [`QueueKind::OrderedGroups`],
    /// each of their messages is put into a group of its own.
    fn default_kind(&self) -> QueueKind {
        QueueKind::Standard
    }

    /// The address of a queue that does not exist. A broker that makes every queue as it is asked
    /// for has none, and skips.
    fn missing_queue(&self) -> CaseResult<String> {
        Ok(format!("missing-{}", uuid::Uuid::now_v7().simple()))
    }

    /// How long things take here.
    fn timing(&self) -> Timing {
        Timing::real()
    }

    /// What the transport promises where transports differ.
    fn expectations(&self, capabilities: &Capabilities) -> Expectations {
        Expectations::declared_by(capabilities)
    }

    /// How many messages the cases with many messages send.
    fn many(&self) -> usize {
        10_000
    }

    /// Credentials and keys that must never be seen in an error or a debug output.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }

    /// Restarts the broker and returns once it answers again. What it had stored is still there.
    async fn restart_broker(&self) -> CaseResult {
        Err(Stop::skip("the broker cannot be restarted here"))
    }

    /// A proxy before the broker that can be told to fail.
    async fn faulty_proxy(&self) -> CaseResult<Box<dyn FaultyProxy>> {
        Err(Stop::skip("no proxy can be put before the broker"))
    }

    /// Connects in an unusual way; the inner result is the adapter's.
    async fn connect_as(
        &self,
        _connection: Connection,
    ) -> CaseResult<Result<Arc<dyn Transport>, TransportError>> {
        Err(Stop::skip("connections need neither credentials nor TLS"))
    }

    /// Makes the dead-letter queue of a queue unavailable.
    async fn break_dead_letter_queue(&self, _address: &str) -> CaseResult {
        Err(Stop::skip("the dead-letter queue cannot fail on its own"))
    }
}

/// An unusual way to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// With credentials the broker does not accept.
    WrongCredentials,
    /// Without trusting the authority that signed the broker's certificate.
    UntrustedAuthority,
    /// With the client certificate that the broker demands.
    ClientCertificate,
    /// Without the client certificate that the broker demands.
    NoClientCertificate,
}

/// A proxy between adapter and broker that fails when it is told to.
#[async_trait]
pub trait FaultyProxy: Send + Sync {
    /// Connects through the proxy; the result is the adapter's.
    async fn connect(&self) -> Result<Arc<dyn Transport>, TransportError>;

    /// Breaks all connections and refuses new ones until it is restored.
    async fn cut(&self);

    /// Lets connections through again.
    async fn restore(&self);

    /// Passes the next request about the queue on to the broker, swallows the answer and breaks the
    /// connection.
    async fn swallow_next_answer(&self, address: &str);
}

/// How a queue hands out its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueKind {
    /// In any order.
    Standard,
    /// In order within a session id, one message in flight per id, without accepting sessions.
    OrderedGroups,
    /// By session: each has to be accepted.
    Sessions,
}

/// The queue a case needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSpec {
    /// How it hands out its messages.
    pub kind: QueueKind,
    /// How long deliveries are locked.
    pub lock: Duration,
    /// After how many deliveries the message is dead-lettered; `None` for no limit, or the
    /// highest there is (ten at least).
    pub max_deliveries: Option<u32>,
    /// Whether the queue drops a message whose id it saw a short while ago (a minute at least).
    pub deduplicates: bool,
    /// How many messages it holds before it refuses more; `None` for no limit.
    pub max_messages: Option<usize>,
}

/// How long things take on a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// A lock that a case can wait for to run out. Also the unit of delays and times to live.
    pub short_lock: Duration,
    /// A lock that does not run out during a case.
    pub long_lock: Duration,
    /// How much later than due something may happen.
    pub slack: Duration,
    /// How long to look before nothing is taken to be there.
    pub quiet: Duration,
    /// How long to wait for what must come.
    pub patience: Duration,
}

impl Timing {
    /// For a server on this machine or near it that counts in seconds.
    pub fn real() -> Self {
        Self {
            short_lock: Duration::from_secs(2),
            long_lock: Duration::from_secs(60),
            slack: Duration::from_millis(1500),
            quiet: Duration::from_millis(500),
            patience: Duration::from_secs(10),
        }
    }

    /// For a clock that jumps: waiting costs nothing and nothing is late.
    pub fn paused() -> Self {
        Self {
            short_lock: Duration::from_secs(10),
            long_lock: Duration::from_secs(300),
            slack: Duration::from_millis(100),
            quiet: Duration::from_secs(1),
            patience: Duration::from_secs(30),
        }
    }
}
