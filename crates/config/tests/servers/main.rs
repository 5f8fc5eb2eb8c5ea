//! From files to what runs on real servers: guards that replicas share, users of a database that
//! Vault makes.
//!
//! `SEALMQ_NATS_SERVER_BIN`, `SEALMQ_VAULT_ADDR`, `SEALMQ_VAULT_TOKEN`, `SEALMQ_POSTGRES_URL` and
//! `SEALMQ_POSTGRES_BIN_DIR` say where the servers are; `cargo xtask test` sets them, and without
//! them the tests fail.
#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a broken assumption should stop the test where it stands"
)]

mod credentials;
mod database;
mod replay_guard;
mod support;
