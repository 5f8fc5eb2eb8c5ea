//! Whom to trust, whom to be, and how old a protocol may be.

use std::fmt;
use std::path::PathBuf;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use sealmq_settings::{InvalidSetting, Setting, Settings};

use crate::pem::Pem;

/// The oldest protocol that is spoken.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum TlsVersion {
    /// TLS 1.2, and 1.3 where the server has it.
    #[default]
    V1_2,
    /// TLS 1.3 alone.
    V1_3,
}

/// How a connection is encrypted, and what its two sides have to show.
///
/// Without any setting, the authorities of the operating system are trusted and no certificate is
/// shown. Files are read anew for the first connection after they have changed, so certificates
/// are replaced without a restart; a file that cannot be used then leaves the one before in force.
/// A pair of files is replaced when both fit. `Debug` shows paths, and no key.
///
/// ```
/// use sealmq_tls::{TlsConfig, TlsVersion};
///
/// let tls = TlsConfig::new()
///     .with_root_ca("/etc/ssl/private-ca.pem")
///     .with_client_certificate("/run/certs/tls.crt", "/run/certs/tls.key")
///     .with_min_version(TlsVersion::V1_3);
/// assert!(tls.client_config().unwrap_err().to_string().contains("private-ca.pem"));
/// ```
#[derive(Clone, Default)]
pub struct TlsConfig {
    pub(crate) authorities: Option<Pem>,
    pub(crate) client_certificate: Option<(Pem, Pem)>,
    pub(crate) min_version: TlsVersion,
    pub(crate) server_name: Option<String>,
    pub(crate) own: Option<ClientConfig>,
}

impl TlsConfig {
    /// The system's authorities, no client certificate, TLS 1.2 or later.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, trusting the authorities in this PEM file and no others.
    #[must_use]
    pub fn with_root_ca(mut self, pem_path: impl Into<PathBuf>) -> Self {
        self.authorities = Some(Pem::File(pem_path.into()));
        self
    }

    /// The same, trusting these authorities (PEM) and no others.
    #[must_use]
    pub fn with_root_ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authorities = Some(Pem::text(pem));
        self
    }

    /// The same, showing a client certificate: its chain and its key, each a PEM file.
    #[must_use]
    pub fn with_client_certificate(
        mut self,
        chain_pem_path: impl Into<PathBuf>,
        key_pem_path: impl Into<PathBuf>,
    ) -> Self {
        let (chain, key) = (chain_pem_path.into(), key_pem_path.into());
        self.client_certificate = Some((Pem::File(chain), Pem::File(key)));
        self
    }

    /// The same, showing a client certificate: its chain and its key, both PEM.
    #[must_use]
    pub fn with_client_certificate_pem(
        mut self,
        chain_pem: impl Into<Vec<u8>>,
        key_pem: impl Into<Vec<u8>>,
    ) -> Self {
        self.client_certificate = Some((Pem::text(chain_pem), Pem::text(key_pem)));
        self
    }

    /// The same, speaking nothing older than this; TLS 1.2.
    #[must_use]
    pub fn with_min_version(mut self, version: TlsVersion) -> Self {
        self.min_version = version;
        self
    }

    /// The same, expecting this name or IP address in the server's certificate instead of the one
    /// that is dialled: for tunnels and load balancers. The name that is asked for in the
    /// handshake (SNI) stays the dialled one.
    #[must_use]
    pub fn with_server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// The same with a client of your own, which the other settings do not change. It must not
    /// be combined with them.
    #[must_use]
    pub fn with_client_config(mut self, config: ClientConfig) -> Self {
        self.own = Some(config);
        self
    }

    /// Whether nothing was set.
    pub fn is_default(&self) -> bool {
        !self.is_set() && self.own.is_none()
    }

    pub(crate) fn is_set(&self) -> bool {
        self.authorities.is_some()
            || self.client_certificate.is_some()
            || self.server_name.is_some()
            || self.min_version != TlsVersion::default()
    }

    /// The settings under the names that they have behind a prefix: `ROOT_CA`, `CLIENT_CERT`,
    /// `CLIENT_KEY`, `TLS_MIN_VERSION`, `TLS_SERVER_NAME`. The variables are those of [`settings`].
    ///
    /// [`settings`]: crate::tls_settings
    ///
    /// # Errors
    /// [`InvalidSetting`] names the variable.
    pub fn from_settings(
        settings: &Settings<'_>,
        variables: &'static [Setting; 5],
    ) -> Result<Self, InvalidSetting> {
        let [root_ca, certificate, key, min_version, server_name] = variables;
        let mut tls = Self::new();
        if let Some(path) = settings.get(root_ca.variable) {
            tls = tls.with_root_ca(path);
        }
        if let Some((chain, key)) = settings.pair(certificate.variable, key.variable)? {
            tls = tls.with_client_certificate(chain, key);
        }
        let versions = [("1.2", TlsVersion::V1_2), ("1.3", TlsVersion::V1_3)];
        if let Some(version) = settings.choice(min_version.variable, &versions)? {
            tls = tls.with_min_version(*version);
        }
        tls.server_name = settings.get(server_name.variable);
        Ok(tls)
    }

    /// Checks what can be checked without I/O.
    ///
    /// # Errors
    /// [`InvalidSetting`] names the field.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        if self.own.is_some() && self.is_set() {
            let reason = "it is given beside settings that it would not heed";
            return Err(InvalidSetting::new("tls_client_config", reason));
        }
        self.parsed_server_name().map(drop)
    }

    pub(crate) fn parsed_server_name(&self) -> Result<Option<ServerName<'static>>, InvalidSetting> {
        let Some(name) = &self.server_name else { return Ok(None) };
        let parsed = ServerName::try_from(name.clone());
        parsed.map(Some).map_err(|error| {
            InvalidSetting::new("tls_server_name", "is no host name").because(error)
        })
    }
}

/// The variables of an adapter's TLS behind its prefix, for [`TlsConfig::from_settings`].
#[macro_export]
macro_rules! tls_settings {
    ($prefix:literal) => {{
        use $crate::__private::{Kind, Setting};
        const SETTINGS: [Setting; 5] = [
            Setting::new(
                concat!($prefix, "ROOT_CA"),
                Kind::Path,
                "the trusted authorities, PEM; those of the operating system",
            ),
            Setting::new(
                concat!($prefix, "CLIENT_CERT"),
                Kind::Path,
                "the chain of the client certificate, PEM; none",
            ),
            Setting::new(concat!($prefix, "CLIENT_KEY"), Kind::Path, "its key, PEM"),
            Setting::new(
                concat!($prefix, "TLS_MIN_VERSION"),
                Kind::Choice(&["1.2", "1.3"]),
                "the oldest protocol spoken; 1.2",
            ),
            Setting::new(
                concat!($prefix, "TLS_SERVER_NAME"),
                Kind::Text,
                "the name that the server's certificate must have; the dialled one",
            ),
        ];
        SETTINGS
    }};
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let certificate = self.client_certificate.as_ref();
        f.debug_struct("TlsConfig")
            .field("root_ca", &self.authorities)
            .field("client_certificate", &certificate.map(|(chain, key)| (chain, key)))
            .field("min_version", &self.min_version)
            .field("server_name", &self.server_name)
            .field("own_client_config", &self.own.is_some())
            .finish()
    }
}
