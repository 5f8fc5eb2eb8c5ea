//! The self-test of a client: everything a first message would need, tried before there is one.

use std::fmt;
use std::time::Duration;

use sealmq_crypto_core::{AeadBackend, CryptoProvider};

use crate::QueueClient;
use crate::health::{HealthStatus, Part, PartReport, ask, reason, status_of, write_parts};
use crate::queue::QueueContext;

/// How long each part may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What [`QueueClient::self_test`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfTestReport {
    parts: Vec<PartReport>,
    backend: AeadBackend,
}

impl SelfTestReport {
    /// Each part that the client has.
    pub fn parts(&self) -> &[PartReport] {
        &self.parts
    }

    /// How this part is, if the client has it.
    pub fn status(&self, part: Part) -> Option<&HealthStatus> {
        status_of(&self.parts, part)
    }

    /// Whether every part is healthy.
    pub fn passed(&self) -> bool {
        self.parts.iter().all(|report| report.status == HealthStatus::Healthy)
    }

    /// The back end that seals and opens.
    pub fn backend(&self) -> AeadBackend {
        self.backend
    }

    /// Whether that back end is a validated FIPS module.
    pub fn is_fips(&self) -> bool {
        self.backend.is_fips()
    }
}

impl fmt::Display for SelfTestReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_parts(&self.parts, f)
    }
}

impl QueueContext {
    /// A client that seals fetches a key; one that only opens may have no right to.
    async fn keys_self_test(&self, crypto: &dyn CryptoProvider) -> HealthStatus {
        let tested = match self.shared.config.enabled {
            true => crypto.self_test(&self.scope).await,
            false => crypto.health().await,
        };
        match tested {
            Ok(()) => HealthStatus::Healthy,
            Err(error) => HealthStatus::Unhealthy(reason(&error)),
        }
    }
}

impl QueueClient {
    /// Tries everything that a first message would need, for the start of a program:
    ///
    /// - `crypto`: the known-answer tests of every back end of this build.
    /// - `keys`: a body of its own is sealed and opened by the client's
    ///   [`CryptoProvider`], with a key that its source gives now: a key service makes a DEK and
    ///   each KEK unwraps it again, a key store reads its current key. Caches are neither asked nor
    ///   filled. This is what a first message would ask for, and creates what that would: a
    ///   tenant's first KEK, say. Where the client does not seal, the sources are asked for their
    ///   health instead.
    /// - `clock`: wall time is after 2024-01-01, and has not gone back by more than
    ///   `max_clock_skew` against monotonic time since the client was built. It is not compared with
    ///   other hosts: neither brokers nor key services tell their time through our traits.
    /// - `transport`, and `replay_guard`: as in [`QueueClient::health`]. No message is sent.
    ///
    /// All run at once, for at most 30 seconds, and nothing is retried. Unlike
    /// [`QueueClient::health`] it costs requests that are paid for: not for probes.
    pub async fn self_test(&self) -> SelfTestReport {
        let queue = &self.0;
        let late = HealthStatus::Unhealthy;
        let keys = async {
            let crypto = queue.shared.crypto.as_deref()?;
            Some(ask(Part::Keys, PATIENCE, queue.keys_self_test(crypto), late).await)
        };
        let shared = &queue.shared;
        let judged = shared.clock_base.judge(&*shared.clock, &shared.config);
        let clock = async { judged.map_or_else(late, |()| HealthStatus::Healthy) };
        let (computes, keys, clock, transport, guard) = tokio::join!(
            ask(Part::Crypto, PATIENCE, queue.crypto_health(), late),
            keys,
            ask(Part::Clock, PATIENCE, clock, late),
            ask(Part::Transport, PATIENCE, queue.transport_health(), late),
            queue.ask_replay_guard(PATIENCE),
        );
        let parts = [Some(computes), keys, Some(clock), Some(transport), guard];
        let parts = parts.into_iter().flatten().collect();
        SelfTestReport { parts, backend: queue.shared.config.aead_backend }
    }
}
