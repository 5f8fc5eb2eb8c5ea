//! Users of PostgreSQL that Vault makes for a time, under a service that does not stop for them.
//!
//! `SEALMQ_VAULT_ADDR`, `SEALMQ_VAULT_TOKEN`, `SEALMQ_POSTGRES_URL` and `SEALMQ_POSTGRES_BIN_DIR`
//! say where the servers are; `cargo xtask test` sets them, and without them the tests fail.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a broken assumption should stop the test where it stands"
)]

mod load;
mod outages;
mod shutdown;
mod takeover;
mod world;
