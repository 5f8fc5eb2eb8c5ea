//! The policy of a queue: whether to seal, what to do with plaintexts, how old a message may be.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::aead::AeadBackend;
use crate::error::{CryptoError, CryptoErrorKind};
use crate::suite::Suite;

/// What to do with a message that is not sealed.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaintextPolicy {
    /// Let it pass, with a warning and a metric per message.
    Allow,
    /// Let it pass, with an error event and a metric per message.
    AllowWithAlert,
    /// Refuse it, before anything looks into it.
    Reject,
}

/// What the policy says of one plaintext, now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaintextVerdict {
    /// It passes, with a warning.
    Pass,
    /// It passes, with an error event.
    PassWithAlert,
}

/// How old, and how far ahead of this host's clock, an authentic message may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// The oldest message accepted; a message of exactly this age is.
    pub max_age: Duration,
    /// How far clocks may differ: the furthest a message may lie in the future.
    pub max_clock_skew: Duration,
}

impl Freshness {
    /// Holds the authenticated time of a message against the clock.
    ///
    /// # Errors
    /// `MessageExpired` or `MessageFromFuture`, with the time and the limit.
    pub fn check(&self, encrypted_at_ms: u64, now_ms: u64) -> Result<(), CryptoError> {
        let age = Duration::from_millis(now_ms.saturating_sub(encrypted_at_ms));
        let ahead = Duration::from_millis(encrypted_at_ms.saturating_sub(now_ms));
        let kind = if age > self.max_age {
            CryptoErrorKind::MessageExpired { encrypted_at_ms, age, max_age: self.max_age }
        } else if ahead > self.max_clock_skew {
            let max_skew = self.max_clock_skew;
            CryptoErrorKind::MessageFromFuture { encrypted_at_ms, ahead, max_skew }
        } else {
            return Ok(());
        };
        Err(CryptoError::new(kind))
    }

    /// How long after it was sealed a message can still be accepted.
    pub fn window(&self) -> Duration {
        self.max_age.saturating_add(self.max_clock_skew)
    }
}

/// The crypto policy of a queue.
///
/// | | [`default`](Self::default) | [`strict`](Self::strict) | [`migration`](Self::migration) |
/// | --- | --- | --- | --- |
/// | seal on send | no | yes | yes |
/// | plaintext on receive | allow, warn | reject | allow with alert, until the date |
/// | plaintext on send | allow, warn | reject | reject |
/// | max age | 5 min | 4 days | 4 days |
/// | replay guard | off | on | on |
///
/// A client that has keys opens sealed messages whatever `enabled` says.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CryptoConfig {
    /// Whether messages are sealed on send.
    pub enabled: bool,
    /// What to do with plaintexts that arrive.
    pub plaintext_on_receive: PlaintextPolicy,
    /// What to do with messages that would be sent as plaintext.
    pub plaintext_on_send: PlaintextPolicy,
    /// After this moment plaintexts are refused on receive, whatever the policy allows.
    pub plaintext_until: Option<SystemTime>,
    /// How old a message may be; `None` accepts any age and cannot be combined with
    /// `nonce_tracking`.
    pub freshness: Option<Freshness>,
    /// Whether replays are refused.
    pub nonce_tracking: bool,
    /// How long a completed message's nonce is remembered. At least
    /// [`Freshness::window`]: a message whose nonce was forgotten must be too old by then.
    pub nonce_ttl: Duration,
    /// The suite that seals.
    pub suite: Suite,
    /// The suites that open; must contain `suite`.
    pub accepted_suites: Vec<Suite>,
    /// The library that computes the AEAD.
    pub aead_backend: AeadBackend,
    /// Whether nothing but a validated FIPS module may seal and open in this process.
    pub fips: bool,
}

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for CryptoConfig {
    /// Opt-in: nothing is sealed, plaintexts pass with a warning, messages older than 5 minutes
    /// are refused when they are sealed, replays are not tracked.
    fn default() -> Self {
        Self {
            enabled: false,
            plaintext_on_receive: PlaintextPolicy::Allow,
            plaintext_on_send: PlaintextPolicy::Allow,
            plaintext_until: None,
            freshness: Some(Freshness { max_age: 5 * MINUTE, max_clock_skew: 2 * MINUTE }),
            nonce_tracking: false,
            nonce_ttl: 10 * MINUTE,
            suite: Suite::default(),
            accepted_suites: Suite::ALL.to_vec(),
            aead_backend: AeadBackend::default(),
            fips: false,
        }
    }
}

impl CryptoConfig {
    /// Sealed messages only, in both directions, and no replays. The maximum age of 4 days suits
    /// queues that keep messages that long; set [`with_max_age`](Self::with_max_age) to the
    /// retention of yours.
    pub fn strict() -> Self {
        let base = Self {
            enabled: true,
            plaintext_on_receive: PlaintextPolicy::Reject,
            plaintext_on_send: PlaintextPolicy::Reject,
            nonce_tracking: true,
            ..Self::default()
        };
        base.with_max_age(4 * DAY)
    }

    /// As [`strict`](Self::strict), but plaintexts of senders that do not seal yet are accepted,
    /// with an alert each, until this date.
    pub fn migration(until: SystemTime) -> Self {
        Self {
            plaintext_on_receive: PlaintextPolicy::AllowWithAlert,
            plaintext_until: Some(until),
            ..Self::strict()
        }
    }

    /// The same policy, sealing or not.
    #[must_use]
    pub fn with_enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// The same policy with this rule for plaintexts that arrive.
    #[must_use]
    pub fn with_plaintext_on_receive(mut self, policy: PlaintextPolicy) -> Self {
        self.plaintext_on_receive = policy;
        self
    }

    /// The same policy with this rule for messages that would be sent as plaintext.
    #[must_use]
    pub fn with_plaintext_on_send(mut self, policy: PlaintextPolicy) -> Self {
        self.plaintext_on_send = policy;
        self
    }

    /// The same policy with this maximum age; nonces are remembered long enough for it.
    #[must_use]
    pub fn with_max_age(mut self, max_age: Duration) -> Self {
        let max_clock_skew = self.freshness.map_or(2 * MINUTE, |f| f.max_clock_skew);
        let freshness = Freshness { max_age, max_clock_skew };
        self.freshness = Some(freshness);
        self.nonce_ttl = self.nonce_ttl.max(freshness.window());
        self
    }

    /// The same policy, accepting sealed messages of any age.
    #[must_use]
    pub fn without_freshness(mut self) -> Self {
        self.freshness = None;
        self
    }

    /// The same policy, refusing replays or not.
    #[must_use]
    pub fn with_nonce_tracking(mut self, nonce_tracking: bool) -> Self {
        self.nonce_tracking = nonce_tracking;
        self
    }

    /// The same policy, sealing with this suite.
    #[must_use]
    pub fn with_suite(mut self, suite: Suite) -> Self {
        self.suite = suite;
        self
    }

    /// The same policy, opening only these suites.
    #[must_use]
    pub fn with_accepted_suites(mut self, suites: impl IntoIterator<Item = Suite>) -> Self {
        self.accepted_suites = suites.into_iter().collect();
        self
    }

    /// The same policy, computed by this library.
    #[must_use]
    pub fn with_aead_backend(mut self, backend: AeadBackend) -> Self {
        self.aead_backend = backend;
        self
    }

    /// The same policy in a validated FIPS module alone: AES-256-GCM seals and opens, computed by
    /// the back end that is one, and messages of other suites are refused. A build without the
    /// feature `fips` refuses the policy. `docs/fips.md` says what is inside of the module.
    #[must_use]
    pub fn with_fips(mut self) -> Self {
        self.fips = true;
        self.with_suite(Suite::Aes256Gcm)
            .with_accepted_suites([Suite::Aes256Gcm])
            .with_aead_backend(AeadBackend::AwsLcRs)
    }

    /// Checks the policy as a whole.
    ///
    /// # Errors
    /// `InvalidInput` names the field that contradicts another.
    pub fn validate(&self) -> Result<(), CryptoError> {
        let refuse = |field, reason: &str| Err(CryptoError::invalid_input(field, reason));
        if !self.accepted_suites.contains(&self.suite) {
            return refuse("accepted_suites", "does not contain the suite that seals");
        }
        if self.plaintext_on_send == PlaintextPolicy::Reject && !self.enabled {
            return refuse("plaintext_on_send", "nothing could be sent: enabled is false");
        }
        if self.fips && self.accepted_suites.iter().any(|suite| *suite != Suite::Aes256Gcm) {
            return refuse("accepted_suites", "in FIPS mode AES-256-GCM alone is accepted");
        }
        if self.fips && !self.aead_backend.is_fips() {
            return refuse(
                "fips",
                "the AEAD back end is no FIPS module: build with feature `fips`",
            );
        }
        match self.freshness {
            Some(freshness) if freshness.max_age.is_zero() => {
                refuse("max_age", "every message would be too old")
            }
            Some(freshness) if self.nonce_tracking && self.nonce_ttl < freshness.window() => {
                refuse("nonce_ttl", "shorter than max_age plus max_clock_skew: replays would pass")
            }
            None if self.nonce_tracking => {
                refuse("max_age", "refusing replays needs a maximum age")
            }
            _ => self.aead_backend.require().map(|_| ()),
        }
    }

    /// What the policy says of a plaintext that arrived.
    ///
    /// # Errors
    /// `PlaintextRejected`.
    pub fn check_received_plaintext(&self, now_ms: u64) -> Result<PlaintextVerdict, CryptoError> {
        let now = UNIX_EPOCH + Duration::from_millis(now_ms);
        if self.plaintext_until.is_some_and(|until| now >= until) {
            return Err(CryptoError::new(CryptoErrorKind::PlaintextRejected));
        }
        verdict(self.plaintext_on_receive)
    }

    /// What the policy says of sending a plaintext.
    ///
    /// # Errors
    /// `PlaintextRejected`.
    pub fn check_sent_plaintext(&self) -> Result<PlaintextVerdict, CryptoError> {
        verdict(self.plaintext_on_send)
    }
}

fn verdict(policy: PlaintextPolicy) -> Result<PlaintextVerdict, CryptoError> {
    match policy {
        PlaintextPolicy::Allow => Ok(PlaintextVerdict::Pass),
        PlaintextPolicy::AllowWithAlert => Ok(PlaintextVerdict::PassWithAlert),
        PlaintextPolicy::Reject => Err(CryptoError::new(CryptoErrorKind::PlaintextRejected)),
    }
}
