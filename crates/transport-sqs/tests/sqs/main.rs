//! The SQS transport against a server, and against scripted answers where no server gives them.
//!
//! The server is the one at `SEALMQ_SQS_ENDPOINT`: `moto_server`, or AWS itself.

mod bodies;
mod closing;
mod configuration;
mod dead_letters;
mod failures;
mod fifo;
mod receiving;
mod requests;
mod sending;
mod settling;
mod support;
