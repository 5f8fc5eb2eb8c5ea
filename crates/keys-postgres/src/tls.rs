//! The TLS client of a connection: its own provider, nothing process-wide.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use sealmq_crypto_core::KeyError;

use crate::config::Tls;

/// The client that the configuration asks for.
///
/// # Errors
/// `InvalidInput` for `root_ca` or `client_certificate` when a file cannot be used.
pub(crate) fn client_config(tls: &Tls) -> Result<ClientConfig, KeyError> {
    if let Some(config) = &tls.client_config {
        return Ok(config.clone());
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable("tls", "the protocol versions").with_source(error))?
        .with_root_certificates(roots(tls.root_ca.as_deref())?);
    let Some((chain, key)) = &tls.client_certificate else {
        return Ok(builder.with_no_client_auth());
    };
    let invalid = |path: &Path| unusable("client_certificate", &path.display().to_string());
    let chain = certificates("client_certificate", chain)?;
    let key_pem =
        PrivateKeyDer::from_pem_file(key).map_err(|error| invalid(key).with_source(error))?;
    builder.with_client_auth_cert(chain, key_pem).map_err(|error| invalid(key).with_source(error))
}

fn roots(path: Option<&Path>) -> Result<RootCertStore, KeyError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = path else {
        // Some systems have unreadable files among their authorities; the others still count.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    let invalid = || unusable("root_ca", &path.display().to_string());
    for certificate in certificates("root_ca", path)? {
        roots.add(certificate).map_err(|error| invalid().with_source(error))?;
    }
    Ok(roots)
}

fn certificates(
    field: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, KeyError> {
    let invalid = || unusable(field, &path.display().to_string());
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let certificates: Vec<_> = read.map_err(|error| invalid().with_source(error))?;
    if certificates.is_empty() { Err(invalid()) } else { Ok(certificates) }
}

fn unusable(field: &'static str, what: &str) -> KeyError {
    KeyError::invalid_input(field, format!("{what} cannot be used"))
}

#[cfg(test)]
mod tests {
    use sealmq_crypto_core::KeyErrorKind;

    use super::*;

    #[test]
    fn files_that_are_no_certificates_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "no certificate").unwrap();
        for path in [folder.path().join("missing.pem"), empty] {
            let root_ca = Tls { root_ca: Some(path.clone()), ..Tls::default() };
            let client = Tls { client_certificate: Some((path.clone(), path)), ..Tls::default() };
            for (tls, expected) in [(root_ca, "root_ca"), (client, "client_certificate")] {
                let error = client_config(&tls).unwrap_err();
                assert_eq!(*error.kind(), KeyErrorKind::InvalidInput { field: expected });
            }
        }
    }

    #[test]
    fn without_any_setting_the_system_is_trusted() {
        assert!(client_config(&Tls::default()).is_ok());
    }
}
