//! The replay guard on the real server.
//!
//! `SEALMQ_NATS_SERVER_BIN` is the path of the server's program, for tests that start their own.
//! `cargo xtask test` sets it; without it the tests fail.

#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests, which clippy takes for more

mod buckets;
mod clients;
mod outages;
mod races;
mod semantics;
mod support;
