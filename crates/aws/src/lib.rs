//! What the adapters for AWS share: how the service is reached, by which HTTP client, and what it
//! means when that fails.
//!
//! Credentials and region come from the SDK's default chain unless they are given. Nothing here
//! knows a key or a queue.

mod common;
mod connection;
mod failure;
mod http;
mod sdk;

pub use common::CommonError;
pub use connection::AwsConnection;
pub use failure::{Cause, Failure};
pub use sdk::load;
