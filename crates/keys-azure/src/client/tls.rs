//! The TLS client of a connection: its own provider, nothing process-wide.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use sealmq_crypto_core::KeyError;

use crate::config::AzureConnection;

/// The client that the configuration asks for.
///
/// # Errors
/// `InvalidInput` for `root_certificates_pem` or `client_certificate_pem`.
pub(crate) fn tls_config(connection: &AzureConnection) -> Result<ClientConfig, KeyError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| KeyError::invalid_input("tls", "").with_source(error))?
        .with_root_certificates(roots(connection.root_certificates_pem.as_deref())?);
    let Some(certificate) = &connection.client_certificate_pem else {
        return Ok(builder.with_no_client_auth());
    };
    let field = "client_certificate_pem";
    let refused = || KeyError::invalid_input(field, "is no certificate chain with its key, PEM");
    let chain = certificates(field, &certificate.chain_pem)?;
    let key = PrivateKeyDer::from_pem_slice(&certificate.key_pem)
        .map_err(|error| refused().with_source(error))?;
    builder.with_client_auth_cert(chain, key).map_err(|error| refused().with_source(error))
}

fn roots(pem: Option<&[u8]>) -> Result<RootCertStore, KeyError> {
    let mut roots = RootCertStore::empty();
    let Some(pem) = pem else {
        // Some systems have unreadable files among their authorities; the others still count.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    let field = "root_certificates_pem";
    for certificate in certificates(field, pem)? {
        roots.add(certificate).map_err(|error| {
            KeyError::invalid_input(field, "holds what is no certificate").with_source(error)
        })?;
    }
    Ok(roots)
}

fn certificates(field: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, KeyError> {
    let refused = || KeyError::invalid_input(field, "is no list of PEM certificates");
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|error| refused().with_source(error))?;
    if certificates.is_empty() { Err(refused()) } else { Ok(certificates) }
}
