//! The settings of TLS, refused as this crate refuses settings.

use rustls::ClientConfig;
use sealmq_queue_core::TransportError;
use sealmq_tls::{TlsConfig, Unusable};

/// The client that the configuration asks for. It is given to the NATS client even when TLS was
/// not asked for: a server may insist on it, and the NATS client's own choice of a provider would
/// depend on what else is linked into the process.
///
/// # Errors
/// `InvalidInput` names the field, and the file if it is one.
pub(crate) fn client_config(tls: &TlsConfig) -> Result<ClientConfig, TransportError> {
    tls.client_config().map_err(unusable)
}

pub(crate) fn unusable(tls: Unusable) -> TransportError {
    TransportError::invalid_input(tls.field, tls.reason.clone()).with_source(tls)
}
