//! The client of `rustls` that a configuration asks for.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SupportedProtocolVersion};
use sealmq_settings::InvalidSetting;

use crate::certificate::ClientCertificate;
use crate::config::{TlsConfig, TlsVersion};
use crate::pem::Pem;
use crate::verifier::{Verifier, roots};

impl TlsConfig {
    /// The client of `rustls`. Reads the files.
    ///
    /// # Errors
    /// [`InvalidSetting`] names the field, and the file if it is one.
    pub fn client_config(&self) -> Result<ClientConfig, InvalidSetting> {
        self.validate()?;
        match &self.own {
            Some(own) => Ok(own.clone()),
            None => client_config(self),
        }
    }
}

fn client_config(tls: &TlsConfig) -> Result<ClientConfig, InvalidSetting> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let versions: &[&SupportedProtocolVersion] = match tls.min_version {
        TlsVersion::V1_2 => &[&TLS13, &TLS12],
        TlsVersion::V1_3 => &[&TLS13],
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|error| InvalidSetting::new("tls", "there is no such version").because(error))?;
    let name = tls.parsed_server_name()?;
    let builder = if tls.authorities.is_some() || name.is_some() {
        let verifier = Verifier::read(tls.authorities.as_ref(), name, &provider)?;
        builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
    } else {
        builder.with_root_certificates(roots(None)?)
    };
    let mut config = match &tls.client_certificate {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let certificate = ClientCertificate::read(chain, key, &provider)?;
            builder.with_client_cert_resolver(Arc::new(certificate))
        }
    };
    let pems = tls.client_certificate.iter().flat_map(|(chain, key)| [chain, key]);
    if pems.chain(&tls.authorities).any(|pem| matches!(pem, Pem::File(_))) {
        // A session that is resumed would keep the trust and the identity of files since replaced.
        config.resumption = Resumption::disabled();
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_named_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "no certificate").unwrap();
        for path in [folder.path().join("missing.pem"), empty] {
            let authorities = TlsConfig::new().with_root_ca(&path);
            let certificate = TlsConfig::new().with_client_certificate(&path, &path);
            for (tls, field) in [(authorities, "root_ca"), (certificate, "client_certificate")] {
                let error = tls.client_config().unwrap_err();
                assert_eq!(error.variable, field);
                assert!(error.to_string().contains(&path.display().to_string()));
            }
        }
    }

    #[test]
    fn pem_that_is_refused_is_not_repeated() {
        let pem = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
        let tls = TlsConfig::new().with_client_certificate_pem(pem, pem).with_root_ca_pem(pem);
        let error = tls.client_config().unwrap_err();
        assert!(!format!("{error} {error:?} {tls:?}").contains("c2VjcmV0"));
    }

    #[test]
    fn contradictions_and_bad_names_are_refused() {
        assert!(client_config(&TlsConfig::new()).is_ok());
        let own = client_config(&TlsConfig::new()).unwrap();
        let both = TlsConfig::new().with_client_config(own).with_min_version(TlsVersion::V1_3);
        assert_eq!(both.validate().unwrap_err().variable, "tls_client_config");
        let name = TlsConfig::new().with_server_name("not a name");
        assert_eq!(name.validate().unwrap_err().variable, "tls_server_name");
    }
}
