//! A TLS client from certificates and keys in PEM.

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// Where PEM comes from.
#[derive(Clone, Copy)]
pub enum Pem<'a> {
    /// A file.
    File(&'a Path),
    /// The bytes themselves.
    Text(&'a [u8]),
}

/// What a setting is about; each adapter has its own name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// TLS itself.
    Tls,
    /// The authorities to trust.
    Authorities,
    /// The client certificate or its key.
    ClientCertificate,
}

/// A setting that no client can be made from. It never holds any of the PEM.
#[derive(Debug)]
pub struct Unusable {
    /// Which one.
    pub setting: Setting,
    /// What is wrong with it, as a clause.
    pub reason: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Unusable {
    fn new(setting: Setting, reason: String) -> Self {
        Self { setting, reason, source: None }
    }

    fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Error for Unusable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// A client of TLS 1.2 and 1.3 that trusts these authorities, or those of the system, and shows
/// this certificate chain with its key, if there is one.
///
/// # Errors
/// [`Unusable`] names the setting, and the file if it is one.
pub fn client_config(
    authorities: Option<Pem<'_>>,
    certificate: Option<(Pem<'_>, Pem<'_>)>,
) -> Result<ClientConfig, Unusable> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let no_versions = || Unusable::new(Setting::Tls, "there is no protocol version".into());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| no_versions().because(error))?
        .with_root_certificates(roots(authorities)?);
    let Some((chain, key_pem)) = certificate else {
        return Ok(builder.with_no_client_auth());
    };
    let refused = || key_pem.unusable(Setting::ClientCertificate, "the key of the certificate");
    let chain = certificates(Setting::ClientCertificate, chain)?;
    let key = match key_pem {
        Pem::File(path) => PrivateKeyDer::from_pem_file(path),
        Pem::Text(text) => PrivateKeyDer::from_pem_slice(text),
    };
    let key = key.map_err(|error| refused().because(error))?;
    builder.with_client_auth_cert(chain, key).map_err(|error| refused().because(error))
}

fn roots(authorities: Option<Pem<'_>>) -> Result<RootCertStore, Unusable> {
    let mut roots = RootCertStore::empty();
    let Some(pem) = authorities else {
        // Some systems have unreadable files among their authorities; the others still count.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    for certificate in certificates(Setting::Authorities, pem)? {
        let refused = || pem.unusable(Setting::Authorities, "a certificate");
        roots.add(certificate).map_err(|error| refused().because(error))?;
    }
    Ok(roots)
}

fn certificates(setting: Setting, pem: Pem<'_>) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let refused = || pem.unusable(setting, "a list of certificates");
    let read: Result<Vec<_>, pem::Error> = match pem {
        Pem::File(path) => CertificateDer::pem_file_iter(path).and_then(Iterator::collect),
        Pem::Text(text) => CertificateDer::pem_slice_iter(text).collect(),
    };
    let certificates = read.map_err(|error| refused().because(error))?;
    if certificates.is_empty() { Err(refused()) } else { Ok(certificates) }
}

impl Pem<'_> {
    fn unusable(self, setting: Setting, wanted: &str) -> Unusable {
        let reason = match self {
            Self::File(path) => format!("{} cannot be used as {wanted}", path.display()),
            Self::Text(_) => format!("cannot be used as {wanted}, PEM"),
        };
        Unusable::new(setting, reason)
    }
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
            let pem = Pem::File(&path);
            let authorities = client_config(Some(pem), None).unwrap_err();
            let certificate = client_config(None, Some((pem, pem))).unwrap_err();
            assert_eq!(authorities.setting, Setting::Authorities);
            assert_eq!(certificate.setting, Setting::ClientCertificate);
            assert!(authorities.to_string().contains(&path.display().to_string()));
        }
    }

    #[test]
    fn pem_that_is_refused_is_not_repeated() {
        let pem = Pem::Text(b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n");
        let error = client_config(Some(pem), None).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("c2VjcmV0"));
    }

    #[test]
    fn without_any_setting_the_system_is_trusted() {
        assert!(client_config(None, None).is_ok());
    }
}
