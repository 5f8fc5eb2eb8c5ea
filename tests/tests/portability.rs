//! A frame sealed on any transport opens on any other, and every dead-letter queue can be redriven.

use std::process::ExitCode;
use std::sync::Arc;

use sealmq_contract_tests::backends::memory::MemoryBackend;
use sealmq_contract_tests::backends::nats::{CoreBackend, JetStreamBackend};
use sealmq_contract_tests::backends::servicebus::ServiceBusBackend;
use sealmq_contract_tests::backends::sqs::SqsBackend;
use sealmq_contract_tests::portability;

fn main() -> ExitCode {
    portability::suite(vec![
        Arc::new(MemoryBackend::full()),
        Arc::new(JetStreamBackend::new()),
        Arc::new(CoreBackend::new()),
        Arc::new(SqsBackend::standard()),
        Arc::new(SqsBackend::fifo()),
        Arc::new(ServiceBusBackend),
    ])
    .main()
}
