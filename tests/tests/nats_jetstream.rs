//! The contract of transports, and of the client over them, on `JetStream`.

use std::process::ExitCode;

use sealmq_contract_tests::backends::nats::JetStreamBackend;
use sealmq_contract_tests::client;

fn main() -> ExitCode {
    client::suite(JetStreamBackend::new()).allow_skips(include_str!("../allowed-skips.txt")).main()
}
