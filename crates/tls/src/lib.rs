//! TLS for the adapters: one configuration, a `rustls` client made of it, and what a refused
//! handshake means.
//!
//! Nothing process-wide is installed or used: each adapter hands its own [`rustls::ClientConfig`],
//! on aws-lc-rs, to the SDK it wraps.
//!
//! # A refused handshake is `Unavailable`
//!
//! Where one side does not trust the certificate of the other, every adapter reports `Unavailable`,
//! and the text is that of the [`Refusal`]. It is not `Denied`:
//!
//! - The service denied nothing. Nobody who proved to be the service was asked anything, and whoever
//!   sits on the way could answer in its place. A denial takes cached keys out of use, and is not
//!   tried again; that must not be had for a certificate that anyone can make.
//! - It passes without a change here. Certificates are renewed while processes run, by the service
//!   or by a sidecar whose files are read anew, and one that is some minutes late costs no message.
//! - What is wrong for good is said at the start: by connecting, the self-test and the health, in
//!   words that name it.

mod certificate;
mod client;
mod config;
mod pem;
mod refusal;
mod verifier;
mod watched;

pub use config::{TlsConfig, TlsVersion};
pub use refusal::{Refusal, causes};

/// For [`tls_settings`].
#[doc(hidden)]
pub mod __private {
    pub use sealmq_settings::{Kind, Setting};
}
