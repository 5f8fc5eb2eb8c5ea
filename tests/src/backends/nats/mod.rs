//! NATS under test: `JetStream` and core NATS, each on a server of the test program's own.

mod connections;
mod core;
mod jetstream;
mod proxy;
mod server;

pub use self::core::CoreBackend;
pub use self::jetstream::JetStreamBackend;
