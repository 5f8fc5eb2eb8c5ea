//! `QueueClient`: sealed messages over any transport, with everything a service needs around them.
//!
//! The client seals what is sent and opens what is received, retries, renews locks while a handler
//! works, moves what can never be opened to the dead-letter queue, and counts and logs all of it.
//! It knows the traits of `sealmq-crypto-core` and `sealmq-queue-core` and no broker or key
//! service.

mod admission;
mod backoff;
mod bodies;
mod bound;
mod builder;
mod client;
mod clock_base;
mod control;
mod dead_letters;
mod error;
mod events;
mod handling;
mod health;
mod holding;
mod incoming;
mod lifecycle;
mod opening;
mod outcomes;
mod processing;
mod processor;
mod queue;
mod receipt;
mod rejecting;
mod renewing;
mod reservation;
mod sealing;
mod self_test;
mod session;
mod shutdown;
mod slots;
mod telemetry;
mod together;
mod worker;

pub use backoff::RetryPolicy;
pub use builder::QueueClientBuilder;
pub use client::QueueClient;
pub use dead_letters::{DeadLetter, DeadLetters};
pub use error::{ClientError, ClientErrorKind, FailedSend};
pub use health::{HealthReport, HealthStatus, Part, PartReport};
pub use incoming::{IncomingMessage, Received, ReceivedMessage, RejectedMessage, RejectionOutcome};
pub use lifecycle::ShutdownReport;
pub use processing::{HandlerError, ProcessorOptions, StopReport};
pub use processor::Processor;
pub use receipt::{FailedSettlement, MessageReceipt};
pub use self_test::SelfTestReport;
pub use session::SessionClient;
