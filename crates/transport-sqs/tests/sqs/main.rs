//! The SQS transport against a server, and against scripted answers where no server gives them.
//!
//! The server is the one of `tests/servers/sqs`, at `SEALMQ_SQS_ENDPOINT`, without TLS.
//! `cargo xtask test` starts it and sets the variable; without it the tests fail.

#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests, which clippy takes for more

mod bodies;
mod closing;
mod configuration;
mod dead_letters;
mod failures;
mod fifo;
mod groups;
mod identities;
mod polling;
mod receiving;
mod requests;
mod sending;
mod settling;
mod support;
mod tls;
