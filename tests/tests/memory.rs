//! The contract of transports, and of the client over them, on the in-memory broker.

use std::process::ExitCode;

use sealmq_contract_tests::backends::memory::MemoryBackend;
use sealmq_contract_tests::client;

fn main() -> ExitCode {
    client::suite(MemoryBackend::full()).allow_skips(include_str!("../allowed-skips.txt")).main()
}
