//! How the parts of a client are, cheaply: for readiness probes.

use std::fmt;
use std::time::Duration;

use sealmq_crypto_core::CryptoProvider;
use sealmq_queue_core::TransportErrorKind;
use tokio::time::{Instant, timeout};

use crate::QueueClient;
use crate::queue::QueueContext;

/// How long each part may take to answer a health check.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// A part of a client.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// What seals and opens: known-answer tests of this build.
    Crypto,
    /// The sources of keys.
    Keys,
    /// The broker.
    Transport,
    /// The store of completed messages.
    ReplayGuard,
    /// The clock of this host.
    Clock,
}

impl Part {
    /// A short `snake_case` name that never changes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crypto => "crypto",
            Self::Keys => "keys",
            Self::Transport => "transport",
            Self::ReplayGuard => "replay_guard",
            Self::Clock => "clock",
        }
    }
}

/// How a part is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthStatus {
    /// It does its work.
    Healthy,
    /// It does not answer, and the client can do without for now.
    Degraded(String),
    /// The client cannot do its work without it.
    Unhealthy(String),
}

/// What was found about a part. The reason in the status holds no key, no body and no credential.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartReport {
    /// The part.
    pub part: Part,
    /// How it is.
    pub status: HealthStatus,
    /// How long it took to find out.
    pub elapsed: Duration,
}

/// What [`QueueClient::health`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthReport(Vec<PartReport>);

impl HealthReport {
    /// Each part that the client has.
    pub fn parts(&self) -> &[PartReport] {
        &self.0
    }

    /// How this part is, if the client has it.
    pub fn status(&self, part: Part) -> Option<&HealthStatus> {
        status_of(&self.0, part)
    }

    /// Whether work can be given to this process: no part is unhealthy. Degraded ones are fine.
    pub fn is_ready(&self) -> bool {
        !self.0.iter().any(|report| matches!(report.status, HealthStatus::Unhealthy(_)))
    }
}

impl fmt::Display for HealthReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_parts(&self.0, f)
    }
}

pub(crate) fn status_of(parts: &[PartReport], part: Part) -> Option<&HealthStatus> {
    parts.iter().find(|report| report.part == part).map(|report| &report.status)
}

/// One line for each part.
pub(crate) fn write_parts(parts: &[PartReport], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (index, PartReport { part, status, elapsed }) in parts.iter().enumerate() {
        if index > 0 {
            writeln!(f)?;
        }
        let (name, ms) = (part.name(), elapsed.as_millis());
        match status {
            HealthStatus::Healthy => write!(f, "{name}: healthy ({ms} ms)")?,
            HealthStatus::Degraded(reason) => write!(f, "{name}: degraded: {reason} ({ms} ms)")?,
            HealthStatus::Unhealthy(reason) => write!(f, "{name}: unhealthy: {reason} ({ms} ms)")?,
        }
    }
    Ok(())
}

/// An error and what is directly behind it: both are of ours, and hold no secret. What lies deeper
/// is an SDK's, and stays here.
pub(crate) fn reason(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Asks about a part, for so long.
pub(crate) async fn ask(
    part: Part,
    patience: Duration,
    asking: impl Future<Output = HealthStatus>,
    late: impl FnOnce(String) -> HealthStatus,
) -> PartReport {
    let began = Instant::now();
    let status = timeout(patience, asking)
        .await
        .unwrap_or_else(|_| late(format!("no answer within {} s", patience.as_secs())));
    PartReport { part, status, elapsed: began.elapsed() }
}

impl QueueContext {
    pub(crate) async fn crypto_health(&self) -> HealthStatus {
        match sealmq_crypto_core::self_test() {
            Ok(()) => HealthStatus::Healthy,
            Err(error) => HealthStatus::Unhealthy(error.to_string()),
        }
    }

    async fn keys_health(&self, crypto: &dyn CryptoProvider) -> HealthStatus {
        match crypto.health().await {
            Ok(()) => HealthStatus::Healthy,
            Err(error) => self.without_keys(crypto, reason(&error)),
        }
    }

    /// How the client is while the source of its keys does not serve.
    fn without_keys(&self, crypto: &dyn CryptoProvider, reason: String) -> HealthStatus {
        // Who only opens refuses nobody: what cannot be opened for now goes back to the queue.
        if !self.shared.config.enabled || crypto.seals_from_cache(&self.scope) {
            HealthStatus::Degraded(reason)
        } else {
            HealthStatus::Unhealthy(reason)
        }
    }

    pub(crate) async fn transport_health(&self) -> HealthStatus {
        if self.shared.lifecycle.is_ending() {
            return HealthStatus::Unhealthy("the client was closed".to_owned());
        }
        match self.shared.transport.health().await {
            Ok(()) => HealthStatus::Healthy,
            Err(error) if matches!(error.kind(), TransportErrorKind::Throttled { .. }) => {
                HealthStatus::Degraded(error.to_string())
            }
            Err(error) => HealthStatus::Unhealthy(error.to_string()),
        }
    }

    pub(crate) async fn ask_replay_guard(&self, patience: Duration) -> Option<PartReport> {
        let guard = self.shared.replay_guard.as_ref()?;
        // Sending needs no guard, and what arrives goes back to the queue and is not lost.
        let asking = async {
            match guard.health().await {
                Ok(()) => HealthStatus::Healthy,
                Err(error) => HealthStatus::Degraded(reason(&error)),
            }
        };
        Some(ask(Part::ReplayGuard, patience, asking, HealthStatus::Degraded).await)
    }
}

impl QueueClient {
    /// How the parts of this client are. Cheap enough for a readiness probe every few seconds:
    /// known-answer tests, and one small request to each the broker, the key sources and the replay
    /// store, all at once, for at most five seconds. It seals no message and retries nothing.
    ///
    /// | part | degraded | unhealthy |
    /// | --- | --- | --- |
    /// | `crypto` | | a back end of this build gives a wrong answer |
    /// | `keys` | a source does not answer; the key at hand still seals, or the client only opens | a source does not answer, and nothing can be sealed |
    /// | `transport` | the broker asks to slow down | the broker does not answer or refuses us; the client was closed or is shutting down |
    /// | `replay_guard` | the store does not answer: messages wait until it does | |
    ///
    /// A part that the client does not have is not in the report. Take
    /// [`HealthReport::is_ready`] for readiness: it says whether work is welcome. For liveness take
    /// nothing of this: a process that is restarted because a service it needs is away comes back
    /// without its cached keys, and the whole fleet with it.
    pub async fn health(&self) -> HealthReport {
        let queue = &self.0;
        let crypto = queue.shared.crypto.as_deref();
        let keys = async {
            let crypto = crypto?;
            let late = |reason| queue.without_keys(crypto, reason);
            Some(ask(Part::Keys, PATIENCE, queue.keys_health(crypto), late).await)
        };
        let (computes, keys, transport, guard) = tokio::join!(
            ask(Part::Crypto, PATIENCE, queue.crypto_health(), HealthStatus::Unhealthy),
            keys,
            ask(Part::Transport, PATIENCE, queue.transport_health(), HealthStatus::Unhealthy),
            queue.ask_replay_guard(PATIENCE),
        );
        HealthReport([Some(computes), keys, Some(transport), guard].into_iter().flatten().collect())
    }
}
