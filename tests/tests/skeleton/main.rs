//! The least an adapter can be, on the suite: what `docs/adding-a-transport.md` begins with.

#![allow(clippy::unwrap_used, reason = "a broken assumption should stop the test where it stands")]

mod harness;
mod receiver;
mod transport;

use std::process::ExitCode;

use sealmq_contract_tests::client;

use crate::harness::SkeletonBackend;

fn main() -> ExitCode {
    client::suite(SkeletonBackend).allow_skips(include_str!("allowed-skips.txt")).main()
}
