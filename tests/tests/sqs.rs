//! The contract of transports, and of the client over them, on standard queues of SQS.

use std::process::ExitCode;

use sealmq_contract_tests::backends::sqs::SqsBackend;
use sealmq_contract_tests::client;

fn main() -> ExitCode {
    client::suite(SqsBackend::standard()).allow_skips(include_str!("../allowed-skips.txt")).main()
}
