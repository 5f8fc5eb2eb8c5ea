//! PostgreSQL as it really is: what the contract suites do not ask. Needs the server of
//! `cargo xtask test`.

#![allow(clippy::unwrap_used)] // tests

mod connections;
mod credentials;
mod dek_store;
mod lifecycle;
mod master_keys;
mod migrations;
mod replay;
mod replay_race;
mod rewrapping;
mod roles;
mod support;
mod tampering;
mod tls;
mod transactions;
