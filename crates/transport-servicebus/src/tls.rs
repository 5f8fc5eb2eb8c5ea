//! TLS: whom to trust and what to show, and a `rustls` configuration of our own made of it.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use sealmq_queue_core::TransportError;
use zeroize::Zeroizing;

/// Whom to trust, and the client certificate to show. Debug shows no key.
///
/// TLS 1.2 and 1.3 by `rustls` on `aws-lc-rs`; no process-wide provider is installed or used.
#[non_exhaustive]
#[derive(Clone, Default)]
pub struct TlsSettings {
    authorities_pem: Option<String>,
    client_certificate: Option<ClientCertificate>,
}

#[derive(Clone)]
struct ClientCertificate {
    chain_pem: String,
    key_pem: Arc<Zeroizing<String>>,
}

impl TlsSettings {
    /// Trust in the authorities of this machine, and no client certificate.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same settings with trust in these authorities, as PEM, and in no others.
    #[must_use]
    pub fn with_authorities_pem(mut self, authorities: impl Into<String>) -> Self {
        self.authorities_pem = Some(authorities.into());
        self
    }

    /// The same settings with a client certificate: its chain and its key, as PEM.
    #[must_use]
    pub fn with_client_certificate_pem(
        mut self,
        chain: impl Into<String>,
        key: impl Into<String>,
    ) -> Self {
        let key_pem = Arc::new(Zeroizing::new(key.into()));
        self.client_certificate = Some(ClientCertificate { chain_pem: chain.into(), key_pem });
        self
    }

    /// The configuration for `rustls`.
    pub(crate) fn client_config(&self) -> Result<Arc<ClientConfig>, TransportError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| invalid("tls", "no protocol version").with_source(error))?
            .with_root_certificates(self.roots()?);
        let config = match &self.client_certificate {
            None => builder.with_no_client_auth(),
            Some(ClientCertificate { chain_pem, key_pem }) => {
                const FIELD: &str = "client_certificate";
                let chain = certificates(FIELD, chain_pem)?;
                let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes())
                    .map_err(|_| invalid(FIELD, "the key is no PEM of a private key"))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| invalid(FIELD, "is not usable").with_source(error))?
            }
        };
        Ok(Arc::new(config))
    }

    fn roots(&self) -> Result<RootCertStore, TransportError> {
        let mut roots = RootCertStore::empty();
        match &self.authorities_pem {
            Some(pem) => {
                for certificate in certificates("authorities", pem)? {
                    roots.add(certificate).map_err(|error| {
                        invalid("authorities", "holds a certificate that is no authority")
                            .with_source(error)
                    })?;
                }
            }
            None => {
                let found = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(found.certs);
            }
        }
        if roots.is_empty() {
            return Err(invalid("authorities", "this machine trusts none: give them as PEM"));
        }
        Ok(roots)
    }
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authorities = if self.authorities_pem.is_some() { "given" } else { "of the machine" };
        f.debug_struct("TlsSettings")
            .field("authorities", &authorities)
            .field("has_client_certificate", &self.client_certificate.is_some())
            .finish()
    }
}

fn certificates(
    field: &'static str,
    pem: &str,
) -> Result<Vec<CertificateDer<'static>>, TransportError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) | Err(_) => Err(invalid(field, "holds no PEM certificate")),
    }
}

fn invalid(field: &'static str, reason: &str) -> TransportError {
    TransportError::invalid_input(field, reason)
}
