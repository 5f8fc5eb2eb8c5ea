//! The NATS transports on the real server.
//!
//! `SEALMQ_NATS_URL` is the address of a running server with JetStream and without credentials,
//! `SEALMQ_NATS_SERVER_BIN` the path of the server's program, for tests that start their own.
//! `cargo xtask test` sets both; without them the tests fail.

#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests, which clippy takes for more

mod core_nats;
mod core_requests;
mod credentials;
mod dead_letters;
mod groups;
mod inspecting;
mod lifecycle;
mod prefetching;
mod provisioning;
mod receiving;
mod redaction;
mod resilience;
mod sending;
mod settling;
mod support;
mod time;
mod tls;
