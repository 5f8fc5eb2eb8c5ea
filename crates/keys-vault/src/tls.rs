//! The TLS client of a connection: its own provider, nothing process-wide.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use sealmq_crypto_core::KeyError;

use crate::config::VaultConfig;

/// # Errors
/// `InvalidInput` for `root_ca` or `client_certificate` when a file cannot be used.
pub(crate) fn client_config(config: &VaultConfig) -> Result<ClientConfig, KeyError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| KeyError::invalid_input("tls", "protocol versions").with_source(error))?
        .with_root_certificates(roots(config.root_ca.as_deref())?);
    let Some((chain, key)) = &config.client_certificate else {
        return Ok(builder.with_no_client_auth());
    };
    let invalid = |path: &Path| unusable("client_certificate", path);
    let chain = certificates("client_certificate", chain)?;
    let key_pem = PrivateKeyDer::from_pem_file(key);
    let key_pem = key_pem.map_err(|error| invalid(key).with_source(error))?;
    builder.with_client_auth_cert(chain, key_pem).map_err(|error| invalid(key).with_source(error))
}

fn roots(path: Option<&Path>) -> Result<RootCertStore, KeyError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = path else {
        // Some systems have unreadable files among their authorities; the others still count.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    for certificate in certificates("root_ca", path)? {
        roots.add(certificate).map_err(|error| unusable("root_ca", path).with_source(error))?;
    }
    Ok(roots)
}

fn certificates(
    field: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, KeyError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let certificates: Vec<_> = read.map_err(|error| unusable(field, path).with_source(error))?;
    if certificates.is_empty() { Err(unusable(field, path)) } else { Ok(certificates) }
}

fn unusable(field: &'static str, path: &Path) -> KeyError {
    KeyError::invalid_input(field, format!("{} cannot be used", path.display()))
}
