//! TLS for the adapters: a `rustls` client of their own, and what a refused handshake means.
//!
//! Nothing process-wide is installed or used: each adapter hands its own [`rustls::ClientConfig`],
//! on aws-lc-rs, to the SDK it wraps. How the settings are called is the adapter's affair.

mod client;
mod trust;

pub use client::{Pem, Setting, Unusable, client_config};
pub use trust::{causes, distrusts};
