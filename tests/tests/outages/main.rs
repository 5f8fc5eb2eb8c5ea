//! Servers that die and come back, and credentials that end, under a sender and a handler that go on.
//!
//! The programs are those of `SEALMQ_VAULT_BIN`, `SEALMQ_POSTGRES_BIN_DIR` and
//! `SEALMQ_NATS_SERVER_BIN`; `cargo xtask test` sets them, and without them the tests fail.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a broken assumption should stop the test where it stands"
)]

mod leases;
mod load;
mod servers;
mod soak;
mod stage;
#[path = "../database_credentials/world.rs"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod world;
