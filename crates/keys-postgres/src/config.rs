//! How to reach PostgreSQL, how to trust it, and how long to wait for it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use sealmq_crypto_core::KeyError;
use sealmq_tls::TlsConfig;
use tokio_postgres::config::{Host, SslMode};
use zeroize::Zeroizing;

use crate::schema::Schema;

mod env;

/// How this crate's own connections reach a server.
///
/// Nothing is read or dialled before [`PostgresClient::new`](crate::PostgresClient::new), which
/// checks it all and names the field. `Debug` shows no credential.
///
/// TLS is required unless it is turned off by [`PostgresConfig::without_tls`] or `sslmode=disable`,
/// and always verifies certificate and name. `sslmode=prefer` is refused: it would go on in the
/// clear when somebody on the way says that the server has no TLS.
///
/// ```
/// use sealmq_keys_postgres::{PostgresConfig, TlsConfig};
///
/// let config = PostgresConfig::new("postgres://orders:s3cr3t@db.example.com/keys")
///     .with_tls(TlsConfig::new().with_root_ca("/etc/ssl/db-ca.pem"))
///     .with_schema("sealmq");
/// assert!(config.validate().is_ok());
/// assert!(!format!("{config:?}").contains("s3cr3t"));
/// ```
#[non_exhaustive]
pub struct PostgresConfig {
    url: Zeroizing<String>,
    password_file: Option<PathBuf>,
    pub(crate) tls_off: bool,
    pub(crate) tls: TlsConfig,
    schema: String,
    pub(crate) max_connections: usize,
    pub(crate) connect_timeout: Duration,
    pub(crate) statement_timeout: Duration,
    pub(crate) request_timeout: Duration,
}

/// What comes of a configuration that was checked.
pub(crate) struct Checked {
    pub(crate) server: tokio_postgres::Config,
    pub(crate) schema: Schema,
    pub(crate) encrypted: bool,
}

impl PostgresConfig {
    /// Connections to this server: `postgres://user:password@host:port/database` or the
    /// `key=value` form, as libpq has them.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: Zeroizing::new(url.into()),
            password_file: None,
            tls_off: false,
            tls: TlsConfig::new(),
            schema: "sealmq".into(),
            max_connections: 8,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(10),
        }
    }

    /// The same, with the password from a file, read once; a line end after it is dropped.
    #[must_use]
    pub fn with_password_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.password_file = Some(path.into());
        self
    }

    /// The same with this trust, and this client certificate; those of the operating system, and
    /// none.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsConfig) -> Self {
        self.tls = tls;
        self
    }

    /// The same without TLS: for a server on this host, or behind a proxy that encrypts.
    #[must_use]
    pub fn without_tls(mut self) -> Self {
        self.tls_off = true;
        self
    }

    /// The same, with the tables in this schema; `sealmq`.
    #[must_use]
    pub fn with_schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// The same, with at most so many connections at a time; 8.
    #[must_use]
    pub fn with_max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// The same, with this bound on connecting; 5 s.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The same, with this bound on each statement, kept by the server; 5 s.
    #[must_use]
    pub fn with_statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// The same, with this bound on a whole call, kept here, and waiting for a free connection
    /// included; 10 s. It holds when the server falls silent.
    #[must_use]
    pub fn with_request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// Checks everything that can be checked without I/O.
    ///
    /// # Errors
    /// `InvalidInput` names the field.
    pub fn validate(&self) -> Result<(), KeyError> {
        self.check().map(drop)
    }

    pub(crate) fn check(&self) -> Result<Checked, KeyError> {
        let invalid = KeyError::invalid_input;
        // The parser's own error is kept back: it may quote what it did not understand.
        let mut server = tokio_postgres::Config::from_str(&self.url)
            .map_err(|_| invalid("url", "it is no connection string of PostgreSQL"))?;
        if server.get_hosts().is_empty() {
            return Err(invalid("url", "it names no host"));
        }
        let bare: String = self.url.chars().filter(|c| !c.is_whitespace() && *c != '\'').collect();
        if bare.to_ascii_lowercase().contains("sslmode=prefer") {
            let reason = "sslmode=prefer would go on in the clear: use require, or disable";
            return Err(invalid("url", reason));
        }
        let encrypted = match server.get_ssl_mode() {
            SslMode::Disable => false,
            SslMode::Require if self.tls_off => {
                return Err(invalid("tls", "the URL requires it and it is turned off"));
            }
            _ => !self.tls_off,
        };
        if !encrypted && !self.tls.is_default() {
            return Err(invalid("tls", "it is configured and turned off"));
        }
        server.ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable });
        for (field, timeout) in [
            ("connect_timeout", self.connect_timeout),
            ("statement_timeout", self.statement_timeout),
            ("request_timeout", self.request_timeout),
        ] {
            if !(Duration::from_millis(1)..=Duration::from_secs(3600)).contains(&timeout) {
                return Err(invalid(field, "1 ms to 1 h"));
            }
        }
        self.tls.validate()?;
        if !(1..=1000).contains(&self.max_connections) {
            return Err(invalid("max_connections", "1 to 1,000"));
        }
        Ok(Checked { server, schema: Schema::new(&self.schema)?, encrypted })
    }

    /// Checks everything that can be checked without I/O, and that user and password can come
    /// from a source: [`PostgresClient::with_credentials`](crate::PostgresClient::with_credentials).
    ///
    /// # Errors
    /// `InvalidInput` names the field.
    pub fn validate_without_login(&self) -> Result<(), KeyError> {
        self.check_without_login(&self.check()?.server)
    }

    /// Whether user and password can come from elsewhere.
    pub(crate) fn check_without_login(
        &self,
        server: &tokio_postgres::Config,
    ) -> Result<(), KeyError> {
        let elsewhere = "the credentials come from a source";
        if self.password_file.is_some() {
            return Err(KeyError::invalid_input("password_file", elsewhere));
        }
        if server.get_password().is_some() {
            return Err(KeyError::invalid_input(
                "url",
                format!("it holds a password, and {elsewhere}"),
            ));
        }
        if server.get_dbname().is_none() {
            return Err(KeyError::invalid_input(
                "url",
                format!("it names no database, and {elsewhere}"),
            ));
        }
        Ok(())
    }

    /// The password, if a file holds it.
    pub(crate) fn read_password(&self) -> Result<Option<Zeroizing<String>>, KeyError> {
        let Some(path) = &self.password_file else { return Ok(None) };
        // The path is not repeated: people put the password itself there.
        let read = std::fs::read_to_string(path).map_err(|error| {
            KeyError::invalid_input("password_file", "the file cannot be read").with_source(error)
        });
        let read = Zeroizing::new(read?);
        Ok(Some(Zeroizing::new(read.trim_end_matches(['\r', '\n']).to_owned())))
    }
}

/// Where this leads to, without user and password: `postgres://host:port/database`.
pub(crate) fn address(server: &tokio_postgres::Config) -> String {
    let ports = server.get_ports();
    let hosts = server.get_hosts().iter().enumerate().map(|(n, host)| {
        let host = match host {
            Host::Tcp(name) => name.clone(),
            #[cfg(unix)]
            Host::Unix(path) => path.display().to_string(),
        };
        let port = ports.get(n).or(ports.first()).unwrap_or(&5432);
        format!("{host}:{port}")
    });
    let hosts: Vec<_> = hosts.collect();
    let database = server.get_dbname().or(server.get_user()).unwrap_or_default();
    format!("postgres://{}/{database}", hosts.join(","))
}

/// Shows what was set and hides every credential.
impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = tokio_postgres::Config::from_str(&self.url);
        f.debug_struct("PostgresConfig")
            .field("server", &server.map_or_else(|_| "[invalid]".into(), |server| address(&server)))
            .field("password_file", &self.password_file)
            .field("tls_off", &self.tls_off)
            .field("tls", &self.tls)
            .field("schema", &self.schema)
            .field("max_connections", &self.max_connections)
            .field("connect_timeout", &self.connect_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("request_timeout", &self.request_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
