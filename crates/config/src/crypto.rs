//! `[crypto]`: the policy, whether messages are sealed and which are accepted.

use std::time::SystemTime;

use sealmq_crypto_core::{
    AeadBackend, CryptoConfig, CryptoError, CryptoErrorKind, PlaintextPolicy, Suite,
};
use sealmq_settings::{InvalidSetting, Kind, Setting, Settings};

use crate::date::begin_of;
use crate::error::ConfigError;
use crate::section::{Group, Resolved};

const POLICY: &str = "policy";
const PLAINTEXT_UNTIL: &str = "plaintext_until";
const ENABLED: &str = "enabled";
const ON_RECEIVE: &str = "plaintext_on_receive";
const ON_SEND: &str = "plaintext_on_send";
const FRESHNESS: &str = "freshness";
const MAX_AGE: &str = "max_age_s";
const MAX_CLOCK_SKEW: &str = "max_clock_skew_s";
const NONCE_TRACKING: &str = "nonce_tracking";
const NONCE_TTL: &str = "nonce_ttl_s";
const SUITE: &str = "suite";
const ACCEPTED_SUITES: &str = "accepted_suites";
const BACKEND: &str = "aead_backend";
const FIPS: &str = "fips";

const PLAINTEXT: Kind = Kind::Choice(&["allow", "allow-with-alert", "reject"]);
const PLAINTEXT_POLICIES: &[(&str, PlaintextPolicy)] = &[
    ("allow", PlaintextPolicy::Allow),
    ("allow-with-alert", PlaintextPolicy::AllowWithAlert),
    ("reject", PlaintextPolicy::Reject),
];
const SUITES: &[(&str, Suite)] =
    &[("aes-256-gcm", Suite::Aes256Gcm), ("chacha20-poly1305", Suite::ChaCha20Poly1305)];

pub(crate) const CRYPTO: &[Group] = &[Group::ours(&[&[
    Setting::new(
        POLICY,
        Kind::Choice(&["strict", "migration", "opt-in"]),
        "what the others begin with: sealed messages only, or plaintexts until a date, or \
             nothing is sealed; strict",
    ),
    Setting::new(
        PLAINTEXT_UNTIL,
        Kind::Text,
        "the day from which a migration refuses plaintexts, YYYY-MM-DD in UTC; none",
    ),
    Setting::new(ENABLED, Kind::Flag, "seals what is sent; by the policy"),
    Setting::new(ON_RECEIVE, PLAINTEXT, "plaintexts that arrive; by the policy"),
    Setting::new(ON_SEND, PLAINTEXT, "plaintexts to be sent; by the policy"),
    Setting::new(FRESHNESS, Kind::Flag, "messages have a maximum age; true"),
    Setting::new(
        MAX_AGE,
        Kind::Seconds,
        "the oldest message accepted, the retention of the queue; by the policy",
    ),
    Setting::new(
        MAX_CLOCK_SKEW,
        Kind::Seconds,
        "how far clocks may differ: how far in the future a message may lie; 120",
    ),
    Setting::new(NONCE_TRACKING, Kind::Flag, "replays are refused; by the policy"),
    Setting::new(
        NONCE_TTL,
        Kind::Seconds,
        "how long a nonce is remembered, at least max_age_s and max_clock_skew_s; by the policy",
    ),
    Setting::new(
        SUITE,
        Kind::Choice(&["aes-256-gcm", "chacha20-poly1305"]),
        "the suite that seals; aes-256-gcm",
    ),
    Setting::new(ACCEPTED_SUITES, Kind::List, "the suites that open; both"),
    Setting::new(
        BACKEND,
        Kind::Choice(&["aws-lc-rs", "ring", "rust-crypto"]),
        "the library that computes the AEAD; the first that is built in",
    ),
    Setting::new(FIPS, Kind::Flag, "nothing but a validated FIPS module; false"),
]])];

/// The policy of the table, checked as a whole.
pub(crate) fn read(table: &Resolved<'_>) -> Result<CryptoConfig, ConfigError> {
    let config = policy(&table.settings()).map_err(|error| table.invalid(&error))?;
    config.validate().map_err(|error| refused(table, &error))?;
    Ok(config)
}

pub(crate) fn policy(settings: &Settings<'_>) -> Result<CryptoConfig, InvalidSetting> {
    let mut config = base(settings)?;
    if settings.flag(FIPS)?.unwrap_or_default() {
        config = config.with_fips();
    }
    if let Some(enabled) = settings.flag(ENABLED)? {
        config = config.with_enabled(enabled);
    }
    if let Some(policy) = settings.choice(ON_RECEIVE, PLAINTEXT_POLICIES)? {
        config = config.with_plaintext_on_receive(*policy);
    }
    if let Some(policy) = settings.choice(ON_SEND, PLAINTEXT_POLICIES)? {
        config = config.with_plaintext_on_send(*policy);
    }
    let (fresh, max_age) = (settings.flag(FRESHNESS)?, settings.seconds(MAX_AGE)?);
    config = match (fresh, max_age) {
        (Some(false), Some(_)) => {
            let reason = format!("is set, and {FRESHNESS} is false");
            return Err(InvalidSetting::new(MAX_AGE, reason));
        }
        (Some(false), None) => config.without_freshness(),
        (_, Some(max_age)) => config.with_max_age(max_age),
        (_, None) => config,
    };
    match (settings.seconds(MAX_CLOCK_SKEW)?, config.freshness.as_mut()) {
        (Some(_), None) => {
            let reason = format!("is set, and {FRESHNESS} is false");
            return Err(InvalidSetting::new(MAX_CLOCK_SKEW, reason));
        }
        (Some(skew), Some(freshness)) => {
            freshness.max_clock_skew = skew;
            config.nonce_ttl = config.nonce_ttl.max(freshness.window());
        }
        (None, _) => {}
    }
    config.nonce_ttl = settings.seconds(NONCE_TTL)?.unwrap_or(config.nonce_ttl);
    if let Some(tracks) = settings.flag(NONCE_TRACKING)? {
        config = config.with_nonce_tracking(tracks);
    }
    if let Some(suite) = settings.choice(SUITE, SUITES)? {
        config = config.with_suite(*suite);
    }
    if let Some(suites) = settings.get(ACCEPTED_SUITES) {
        config = config.with_accepted_suites(accepted(&suites)?);
    }
    let backends = [
        ("aws-lc-rs", AeadBackend::AwsLcRs),
        ("ring", AeadBackend::Ring),
        ("rust-crypto", AeadBackend::RustCrypto),
    ];
    if let Some(backend) = settings.choice(BACKEND, &backends)? {
        config = config.with_aead_backend(*backend);
    }
    Ok(config)
}

fn base(settings: &Settings<'_>) -> Result<CryptoConfig, InvalidSetting> {
    let until = settings.get(PLAINTEXT_UNTIL).map(|date| begin_of(&date));
    let until: Option<SystemTime> = match until {
        Some(None) => return Err(InvalidSetting::new(PLAINTEXT_UNTIL, "is no day YYYY-MM-DD")),
        until => until.flatten(),
    };
    let policies = [("strict", 0), ("migration", 1), ("opt-in", 2)];
    match (settings.choice(POLICY, &policies)?.copied().unwrap_or_default(), until) {
        (1, Some(until)) => Ok(CryptoConfig::migration(until)),
        (1, None) => Err(InvalidSetting::new(PLAINTEXT_UNTIL, "is not set: a migration ends")),
        (_, Some(_)) => {
            Err(InvalidSetting::new(PLAINTEXT_UNTIL, "goes with policy = \"migration\" alone"))
        }
        (2, None) => Ok(CryptoConfig::default()),
        _ => Ok(CryptoConfig::strict()),
    }
}

fn accepted(suites: &str) -> Result<Vec<Suite>, InvalidSetting> {
    let of = |name: &str| SUITES.iter().find(|(known, _)| *known == name).map(|(_, suite)| *suite);
    let suites: Option<Vec<_>> = suites.split(',').map(|name| of(name.trim())).collect();
    suites.ok_or_else(|| {
        InvalidSetting::new(ACCEPTED_SUITES, "is a list of aes-256-gcm and chacha20-poly1305")
    })
}

pub(crate) fn refused(table: &Resolved<'_>, error: &CryptoError) -> ConfigError {
    let shown = error.to_string();
    match error.kind() {
        CryptoErrorKind::InvalidInput { field } => table.refused_by(field, error),
        _ => table.section.error(shown),
    }
}
