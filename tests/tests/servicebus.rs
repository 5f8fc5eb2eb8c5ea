//! The contract of transports, and of the client over them, on Azure Service Bus.

use std::process::ExitCode;

use sealmq_contract_tests::backends::servicebus::ServiceBusBackend;
use sealmq_contract_tests::client;

fn main() -> ExitCode {
    client::suite(ServiceBusBackend).allow_skips(include_str!("../allowed-skips.txt")).main()
}
