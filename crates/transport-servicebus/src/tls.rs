//! The settings of TLS, refused as this crate refuses settings.

use std::sync::Arc;

use rustls::ClientConfig;
use sealmq_queue_core::TransportError;
use sealmq_tls::{TlsConfig, Unusable};

/// The client that the configuration asks for.
///
/// # Errors
/// `InvalidInput` names the field, and the file if it is one.
pub(crate) fn client_config(tls: &TlsConfig) -> Result<Arc<ClientConfig>, TransportError> {
    tls.client_config().map(Arc::new).map_err(unusable)
}

pub(crate) fn unusable(tls: Unusable) -> TransportError {
    TransportError::invalid_input(tls.field, tls.reason.clone()).with_source(tls)
}
