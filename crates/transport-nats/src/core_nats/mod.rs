//! Core NATS: at most once, nothing stored, nothing settled.

mod receiver;
mod requests;
mod sender;
mod shared;
mod transport;

pub use transport::NatsCoreTransport;
