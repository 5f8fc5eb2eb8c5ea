//! Vault and OpenBao: the client and its logins, faults on the way, and the vendor's own program.
//!
//! `SEALMQ_VAULT_ADDR` is the address of a running server in memory, `SEALMQ_VAULT_TOKEN` its root
//! token, with which the tests make mounts and policies of their own, and `SEALMQ_VAULT_BIN` the
//! path of the server's program. `cargo xtask test` sets them; without them the tests fail.

#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests, which clippy takes for more

mod authentication;
mod batches;
mod faults;
mod health;
mod interop;
mod named_keys;
mod policies;
mod redirects;
mod remote_crypto;
mod renewals;
mod support;
mod tls;
