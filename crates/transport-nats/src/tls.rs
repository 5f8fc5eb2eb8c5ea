//! The settings of TLS under the names that they have here.

use rustls::ClientConfig;
use sealmq_queue_core::TransportError;
use sealmq_tls::{Pem, Setting, Unusable};

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
    let certificate = tls.client_certificate.as_ref();
    let certificate = certificate.map(|(chain, key)| (Pem::File(chain), Pem::File(key)));
    sealmq_tls::client_config(tls.root_ca.as_deref().map(Pem::File), certificate).map_err(refused)
}

fn refused(unusable: Unusable) -> TransportError {
    let field = match unusable.setting {
        Setting::Tls => "tls",
        Setting::Authorities => "root_ca",
        Setting::ClientCertificate => "client_certificate",
    };
    TransportError::invalid_input(field, unusable.reason.clone()).with_source(unusable)
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
