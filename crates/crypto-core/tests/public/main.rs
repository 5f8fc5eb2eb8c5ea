//! What the public API promises, tested from outside: each attack once on a control, once on us.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy knows helpers of tests only inside of a crate's own test modules"
)]

#[path = "../support/mod.rs"]
mod support;

mod armour;
mod caps;
mod config;
mod context;
mod downgrade;
mod failover;
mod fips;
mod freshness;
mod keks;
mod key_events;
mod marker;
mod naive;
mod named_keys;
mod nonces;
mod opening_cache;
mod oracle;
mod properties;
mod provider;
mod redaction;
mod refresh;
mod replay;
mod replay_race;
mod revoke;
mod sealing_keys;
mod sources;
mod splice;
mod tamper;
