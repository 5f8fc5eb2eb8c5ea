//! The transport on a Service Bus server: what the contract suite does not test, and the faults.
//!
//! Needs the variables that `cargo xtask test` sets; without them every test fails and says so.

// Everything here is test code, helpers included.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod connecting;
mod copies;
mod faults;
mod official_client;
mod outages;
mod receiving;
mod sending;
mod sessions;
mod settling;
mod support;
mod tls;
mod tokens;
mod topics;
