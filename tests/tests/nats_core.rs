//! The contract of transports, and of the client over them, on core NATS.

use std::process::ExitCode;

use sealmq_contract_tests::backends::nats::CoreBackend;
use sealmq_contract_tests::client;

fn main() -> ExitCode {
    client::suite(CoreBackend::new()).allow_skips(include_str!("../allowed-skips.txt")).main()
}
