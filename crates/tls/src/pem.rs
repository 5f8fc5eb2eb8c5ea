//! Certificates and keys in PEM, from a file or from memory.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sealmq_settings::InvalidSetting;
use zeroize::Zeroizing;

/// Where PEM comes from.
#[derive(Clone)]
pub(crate) enum Pem {
    /// A file.
    File(PathBuf),
    /// The bytes themselves.
    Text(Arc<Zeroizing<Vec<u8>>>),
}

impl Pem {
    pub(crate) fn text(pem: impl Into<Vec<u8>>) -> Self {
        Self::Text(Arc::new(Zeroizing::new(pem.into())))
    }

    /// The file, if it is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Text(_) => None,
        }
    }

    /// All certificates in it, at least one.
    pub(crate) fn certificates(
        &self,
        field: &'static str,
    ) -> Result<Vec<CertificateDer<'static>>, InvalidSetting> {
        let refused = || self.unusable(field, "a list of certificates");
        let read: Result<Vec<_>, pem::Error> = match self {
            Self::File(path) => CertificateDer::pem_file_iter(path).and_then(Iterator::collect),
            Self::Text(text) => CertificateDer::pem_slice_iter(text).collect(),
        };
        let certificates = read.map_err(|error| refused().because(error))?;
        if certificates.is_empty() { Err(refused()) } else { Ok(certificates) }
    }

    /// The first private key in it.
    pub(crate) fn private_key(
        &self,
        field: &'static str,
    ) -> Result<PrivateKeyDer<'static>, InvalidSetting> {
        let key = match self {
            Self::File(path) => PrivateKeyDer::from_pem_file(path),
            Self::Text(text) => PrivateKeyDer::from_pem_slice(text),
        };
        // The path is not repeated: people put the key itself there.
        let reason = "cannot be used as the key of the certificate, PEM";
        key.map_err(|error| InvalidSetting::new(field, reason).because(error))
    }

    pub(crate) fn unusable(&self, field: &'static str, wanted: &str) -> InvalidSetting {
        let reason = match self {
            Self::File(path) => format!("{} cannot be used as {wanted}", path.display()),
            Self::Text(_) => format!("cannot be used as {wanted}, PEM"),
        };
        InvalidSetting::new(field, reason)
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.fmt(f),
            Self::Text(_) => f.write_str("PEM"),
        }
    }
}
