//! The settings of TLS under the names that they have here.

use rustls::ClientConfig;
use sealmq_crypto_core::KeyError;
use sealmq_tls::{Pem, Setting, Unusable};

use crate::config::Tls;

/// The client that the configuration asks for.
///
/// # Errors
/// `InvalidInput` for `root_ca` or `client_certificate` when a file cannot be used.
pub(crate) fn client_config(tls: &Tls) -> Result<ClientConfig, KeyError> {
    if let Some(config) = &tls.client_config {
        return Ok(config.clone());
    }
    let certificate = tls.client_certificate.as_ref();
    let certificate = certificate.map(|(chain, key)| (Pem::File(chain), Pem::File(key)));
    sealmq_tls::client_config(tls.root_ca.as_deref().map(Pem::File), certificate).map_err(refused)
}

fn refused(unusable: Unusable) -> KeyError {
    let field = match unusable.setting {
        Setting::Tls => "tls",
        Setting::Authorities => "root_ca",
        Setting::ClientCertificate => "client_certificate",
    };
    KeyError::invalid_input(field, unusable.reason.clone()).with_source(unusable)
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
