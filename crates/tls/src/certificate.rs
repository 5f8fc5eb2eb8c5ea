//! The certificate that a client shows, replaced when its files are.

use std::path::Path;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use sealmq_settings::InvalidSetting;

use crate::pem::Pem;
use crate::watched::Watched;

const FIELD: &str = "client_certificate";

/// Chain and key, of one pair of sources.
#[derive(Debug)]
pub(crate) struct ClientCertificate(Watched<CertifiedKey>);

impl ClientCertificate {
    /// Reads both.
    ///
    /// # Errors
    /// [`InvalidSetting`] when one cannot be used, or the key is of another certificate.
    pub(crate) fn read(
        chain: &Pem,
        key: &Pem,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, InvalidSetting> {
        let files: Vec<&Path> = [chain, key].into_iter().filter_map(Pem::path).collect();
        let sources = (chain.clone(), key.clone(), Arc::clone(provider));
        let read = move || {
            let (chain, key, provider) = &sources;
            let certificates = chain.certificates(FIELD)?;
            let private = key.private_key(FIELD)?;
            CertifiedKey::from_der(certificates, private, provider)
                .map_err(|error| key.unusable(FIELD, "the key of the certificate").because(error))
        };
        Watched::new(files, read).map(Self)
    }
}

impl ResolvesClientCert for ClientCertificate {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
