//! The settings of TLS, refused as this crate refuses settings.

use rustls::ClientConfig;
use sealmq_crypto_core::KeyError;
use sealmq_tls::{TlsConfig, Unusable};

/// The client that the configuration asks for.
///
/// # Errors
/// `InvalidInput` names the field, and the file if it is one.
pub(crate) fn client_config(tls: &TlsConfig) -> Result<ClientConfig, KeyError> {
    tls.client_config().map_err(unusable)
}

pub(crate) fn unusable(tls: Unusable) -> KeyError {
    KeyError::invalid_input(tls.field, tls.reason.clone()).with_source(tls)
}
