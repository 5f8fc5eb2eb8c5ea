//! The program as its users run it: the built binary, its output and its exit codes.

#![allow(clippy::unwrap_used)] // the helpers of the tests are no tests themselves

mod demo;
mod input;
mod inspect;
#[cfg(unix)]
mod keyring;
#[cfg(unix)]
mod roles;
mod support;
mod transport;
