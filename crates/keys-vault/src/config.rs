//! Where the server is, how to reach it, and which mounts hold the keys.

mod database;
mod env;
mod mounts;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

pub use database::VaultDatabaseConfig;
pub use mounts::{VaultKvConfig, VaultTransitConfig};
use reqwest::Url;
use sealmq_crypto_core::KeyError;
use sealmq_tls::TlsConfig;

use crate::auth::VaultAuth;
use crate::path::check_path;

/// How a [`VaultClient`](crate::VaultClient) reaches its server.
///
/// Nothing is taken from `VAULT_*` variables or from proxy variables of the environment.
#[non_exhaustive]
pub struct VaultConfig {
    pub(crate) address: String,
    pub(crate) auth: VaultAuth,
    pub(crate) namespace: Option<String>,
    pub(crate) tls: TlsConfig,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) max_response_bytes: usize,
    pub(crate) plain_http: bool,
}

impl VaultConfig {
    /// The server at this address, `https://host:port`. `http` is for the loopback address alone,
    /// as of an agent in the same pod.
    pub fn new(address: impl Into<String>, auth: VaultAuth) -> Self {
        Self {
            address: address.into(),
            auth,
            namespace: None,
            tls: TlsConfig::new(),
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(10),
            max_response_bytes: 32 << 20,
            plain_http: false,
        }
    }

    /// The same in a namespace, as `team/app`.
    #[must_use]
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// The same with this trust, and this certificate of our own; by default the authorities that
    /// the operating system trusts, and none.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsConfig) -> Self {
        self.tls = tls;
        self
    }

    /// The same with this limit to how long a connection may take; 5 s by default.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The same with this limit to how long a request may take, its answer included; 10 s by
    /// default.
    #[must_use]
    pub fn with_request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// The same with this limit to the size of an answer; 32 MiB by default, which is what the
    /// server takes at most.
    #[must_use]
    pub fn with_max_response_bytes(mut self, bytes: usize) -> Self {
        self.max_response_bytes = bytes;
        self
    }

    /// The same, with or without leave to send credentials and keys over an unencrypted network.
    #[must_use]
    pub fn danger_with_plain_http(mut self, allowed: bool) -> Self {
        self.plain_http = allowed;
        self
    }

    /// The address as a URL that ends with a slash.
    ///
    /// # Errors
    /// `InvalidInput` names the field to mend.
    pub(crate) fn validate(&self) -> Result<Url, KeyError> {
        let bad = |reason: &str| KeyError::invalid_input("address", reason);
        let mut url = Url::parse(&self.address).map_err(|_| bad("is not a URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("holds a user or password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad("holds a query or fragment"));
        }
        match url.scheme() {
            "https" => {}
            "http" if self.plain_http || is_loopback(&url) => {}
            "http" => return Err(bad("is neither https nor the loopback address")),
            _ => return Err(bad("is not an https URL")),
        }
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        if let Some(namespace) = &self.namespace {
            check_path("namespace", namespace)?;
        }
        for (field, timeout) in
            [("connect_timeout", self.connect_timeout), ("request_timeout", self.request_timeout)]
        {
            if timeout.is_zero() {
                return Err(KeyError::invalid_input(field, "is zero"));
            }
        }
        if self.max_response_bytes < 4096 {
            return Err(KeyError::invalid_input("max_response_bytes", "is below 4,096"));
        }
        self.tls.validate()?;
        self.auth.validate()?;
        Ok(url)
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        None => false,
    }
}

impl fmt::Debug for VaultConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address that was not checked yet may hold a password.
        let address = self.validate().map_or_else(|_| "[unchecked]".to_owned(), String::from);
        f.debug_struct("VaultConfig")
            .field("address", &address)
            .field("auth", &self.auth)
            .field("namespace", &self.namespace)
            .field("tls", &self.tls)
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("max_response_bytes", &self.max_response_bytes)
            .field("plain_http", &self.plain_http)
            .finish()
    }
}

#[cfg(test)]
mod tests;
