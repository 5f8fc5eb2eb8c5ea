//! The contract suites: what every adapter must do, as cases anyone can run on their own adapter.
//!
//! - [`transport`]: the suite for `Transport` adapters, its harness and its cases.
//! - [`client`]: the same, with the cases of the client over the adapter.
//! - [`keys`]: the suites for `KeyManagementService` and `KeyProvider` adapters.
//! - [`portability`]: from one transport to another.
//! - [`backends`]: how the adapters of this repository are set up for them.
//! - [`suite`]: the program around the cases; [`runner`]: one case on its own runtime.

// The library *is* tests: a broken assumption of theirs should stop the case where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_errors_doc)]

#[macro_use]
mod check;

pub mod backends;
pub mod client;
pub mod keys;
pub mod outcome;
pub mod portability;
pub mod runner;
pub mod skips;
pub mod suite;
pub mod transport;
