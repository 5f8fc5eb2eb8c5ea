//! The settings of TLS under the names that they have here.

use rustls::ClientConfig;
use sealmq_crypto_core::KeyError;
use sealmq_tls::{Pem, Setting, Unusable};

use crate::config::VaultConfig;

/// The client that the configuration asks for.
///
/// # Errors
/// `InvalidInput` for `root_ca` or `client_certificate` when a file cannot be used.
pub(crate) fn client_config(config: &VaultConfig) -> Result<ClientConfig, KeyError> {
    let certificate = config.client_certificate.as_ref();
    let certificate = certificate.map(|(chain, key)| (Pem::File(chain), Pem::File(key)));
    sealmq_tls::client_config(config.root_ca.as_deref().map(Pem::File), certificate)
        .map_err(refused)
}

fn refused(unusable: Unusable) -> KeyError {
    let field = match unusable.setting {
        Setting::Tls => "tls",
        Setting::Authorities => "root_ca",
        Setting::ClientCertificate => "client_certificate",
    };
    KeyError::invalid_input(field, unusable.reason.clone()).with_source(unusable)
}
