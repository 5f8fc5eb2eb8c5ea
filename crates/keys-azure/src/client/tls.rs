//! The settings of TLS under the names that they have here.

use rustls::ClientConfig;
use sealmq_crypto_core::KeyError;
use sealmq_tls::{Pem, Setting, Unusable};

use crate::config::AzureConnection;

/// The client that the configuration asks for.
///
/// # Errors
/// `InvalidInput` for `root_certificates_pem` or `client_certificate_pem`.
pub(crate) fn tls_config(connection: &AzureConnection) -> Result<ClientConfig, KeyError> {
    let certificate = connection.client_certificate_pem.as_ref();
    let certificate = certificate
        .map(|certificate| (Pem::Text(&certificate.chain_pem), Pem::Text(&certificate.key_pem)));
    let authorities = connection.root_certificates_pem.as_deref().map(Pem::Text);
    sealmq_tls::client_config(authorities, certificate).map_err(refused)
}

fn refused(unusable: Unusable) -> KeyError {
    let field = match unusable.setting {
        Setting::Tls => "tls",
        Setting::Authorities => "root_certificates_pem",
        Setting::ClientCertificate => "client_certificate_pem",
    };
    KeyError::invalid_input(field, unusable.reason.clone()).with_source(unusable)
}
