//! What is particular to Key Vault, beyond the contract suites: attacks, faults, the vendor's own
//! client, identities and permissions.
//!
//! The server is the one of `tests/servers/keyvault`, which the variables `SEALMQ_KEYVAULT_…`
//! name. `SEALMQ_PYTHON` runs Microsoft's SDK for Python, and the server as a managed HSM.

// These are tests: what must not happen should stop them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod attacks;
mod faults;
mod health;
mod hosts;
mod identities;
mod interop;
mod key_states;
mod mac_keys;
mod policies;
mod secrecy;
mod secrets;
mod support;
mod tls;
mod token_refresh;
