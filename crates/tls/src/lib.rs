//! TLS for the adapters: one configuration, a `rustls` client made of it, and what a refused
//! handshake means.
//!
//! Nothing process-wide is installed or used: each adapter hands its own [`rustls::ClientConfig`],
//! on aws-lc-rs, to the SDK it wraps.

mod certificate;
mod client;
mod config;
mod pem;
mod refusal;
mod verifier;
mod watched;

pub use config::{TlsConfig, TlsVersion};
pub use refusal::{Refusal, causes, distrusts};

/// For [`tls_settings`].
#[doc(hidden)]
pub mod __private {
    pub use sealmq_settings::{Kind, Setting};
}
