//! The HSM's key service on SoftHSM: logins, sessions that break, objects in the token, processes.
//!
//! Each test has a process and a token of its own: login, sessions and module belong to a process.

// These are tests, if of another kind: what must not happen should stop them.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod support;

mod health;
mod login;
mod objects;
mod processes;
mod secrecy;
mod sessions;
