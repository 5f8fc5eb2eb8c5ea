//! The TLS client of a connection: its own provider, nothing process-wide.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use sealmq_queue_core::TransportError;

use crate::config::Tls;

/// The client that the configuration asks for. It is given to the NATS client even when TLS was
/// not asked for: a server may insist on it, and the NATS client's own choice of a provider would
/// depend on what else is linked into the process.
///
/// # Errors
/// `InvalidInput` for `root_ca` or `client_certificate` when a file cannot be used.
pub(crate) fn client_config(tls: &Tls) -> Result<ClientConfig, TransportError> {
    if let Some(config) = &tls.client_config {
        return Ok(config.clone());
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable("tls", "the protocol versions").with_source(error))?
        .with_root_certificates(roots(tls.root_ca.as_deref())?);
    let Some((chain, key)) = &tls.client_certificate else {
        return Ok(builder.with_no_client_auth());
    };
    let invalid = |path: &Path| unusable("client_certificate", &path.display().to_string());
    let chain = certificates("client_certificate", chain)?;
    let key_pem = PrivateKeyDer::from_pem_file(key);
    let key_pem = key_pem.map_err(|error| invalid(key).with_source(error))?;
    builder.with_client_auth_cert(chain, key_pem).map_err(|error| invalid(key).with_source(error))
}

fn roots(path: Option<&Path>) -> Result<RootCertStore, TransportError> {
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
) -> Result<Vec<CertificateDer<'static>>, TransportError> {
    let invalid = || unusable(field, &path.display().to_string());
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let certificates: Vec<_> = read.map_err(|error| invalid().with_source(error))?;
    if certificates.is_empty() { Err(invalid()) } else { Ok(certificates) }
}

fn unusable(field: &'static str, what: &str) -> TransportError {
    TransportError::invalid_input(field, format!("{what} cannot be used"))
}

#[cfg(test)]
mod tests {
    use sealmq_queue_core::TransportErrorKind;

    use super::*;

    fn refused_field(tls: &Tls) -> &'static str {
        match client_config(tls).unwrap_err().kind() {
            TransportErrorKind::InvalidInput { field } => field,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn files_that_are_no_certificates_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "no certificate").unwrap();
        for path in [folder.path().join("missing.pem"), empty] {
            let tls = Tls { root_ca: Some(path.clone()), ..Tls::default() };
            assert_eq!(refused_field(&tls), "root_ca");
            let tls = Tls { client_certificate: Some((path.clone(), path)), ..Tls::default() };
            assert_eq!(refused_field(&tls), "client_certificate");
        }
    }

    #[test]
    fn without_any_setting_there_is_a_client_all_the_same() {
        assert!(client_config(&Tls::default()).is_ok());
    }
}
