//! Whom a client trusts: authorities that are replaced when their file is, under a name of choice.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use sealmq_settings::InvalidSetting;

use crate::pem::Pem;
use crate::watched::Watched;

const FIELD: &str = "root_ca";

/// The verifier of `rustls`, with the authorities as they are now.
///
/// All verification is that verifier's: this one chooses the authorities and the name.
#[derive(Debug)]
pub(crate) struct Verifier {
    authorities: Watched<Arc<WebPkiServerVerifier>>,
    name: Option<ServerName<'static>>,
}

impl Verifier {
    /// Reads the authorities; without any, those of the operating system.
    ///
    /// # Errors
    /// [`InvalidSetting`] when they cannot be used, or there are none.
    pub(crate) fn read(
        authorities: Option<&Pem>,
        name: Option<ServerName<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, InvalidSetting> {
        let (source, provider) = (authorities.cloned(), Arc::clone(provider));
        let read = move || {
            let roots = Arc::new(roots(source.as_ref())?);
            WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
                .build()
                .map_err(|error| InvalidSetting::new(FIELD, "cannot be used").because(error))
        };
        let files = authorities.and_then(Pem::path);
        Ok(Self { authorities: Watched::new(files, read)?, name })
    }
}

/// The authorities of a source, or those of the operating system.
///
/// # Errors
/// [`InvalidSetting`] when one is no certificate of an authority.
pub(crate) fn roots(source: Option<&Pem>) -> Result<RootCertStore, InvalidSetting> {
    let mut roots = RootCertStore::empty();
    let Some(pem) = source else {
        // Some systems have unreadable files among their authorities; the others still count.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    for certificate in pem.certificates(FIELD)? {
        let refused = || pem.unusable(FIELD, "the certificate of an authority");
        roots.add(certificate).map_err(|error| refused().because(error))?;
    }
    Ok(roots)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let name = self.name.as_ref().unwrap_or(server_name);
        let verifier = self.authorities.current();
        verifier.verify_server_cert(end_entity, intermediates, name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.current().verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.current().verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.current().supported_verify_schemes()
    }
}
