//! The contract suites: what every adapter must do, as cases anyone can run on their own adapter.
//!
//! - [`transport`]: the suite for `Transport` adapters, its harness and its cases.
//! - [`backends`]: how the adapters of this repository are set up for it.
//! - [`suite`]: the program around the cases; [`runner`]: one case on its own runtime.
//!
//! A suite for key providers goes beside [`transport`] and runs on the same [`runner`]; cases that
//! concern the client or the cryptography go into groups of their own in `transport::cases`.

// The library *is* tests: a broken assumption of theirs should stop the case where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_errors_doc)]

#[macro_use]
mod check;

pub mod backends;
pub mod outcome;
pub mod runner;
pub mod skips;
pub mod suite;
pub mod transport;
