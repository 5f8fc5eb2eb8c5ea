//! The transport contract on the in-memory broker without its features: each is refused.

use std::process::ExitCode;

use sealmq_contract_tests::backends::memory::MemoryBackend;
use sealmq_contract_tests::transport;

fn main() -> ExitCode {
    transport::suite(MemoryBackend::bare()).allow_skips(include_str!("../allowed-skips.txt")).main()
}
