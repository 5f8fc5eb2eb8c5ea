//! Keys and files of one test, and what goes wrong.

use std::error::Error;
use std::path::PathBuf;

use sealmq_config::{Config, ConfigError, Service};
use sealmq_keys_local::FileKeyring;
use tempfile::TempDir;

/// A folder with a keyring that has a named key.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) async fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        let keyring = FileKeyring::create_in_the_clear(files.path("keyring")).await.unwrap();
        keyring.rotate("k1".parse().unwrap()).await.unwrap();
        files
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file that holds this, as a reference.
    pub(crate) fn reference(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        format!("{{ file = {:?} }}", self.path(name))
    }

    /// The table of the keyring.
    pub(crate) fn keys(&self) -> String {
        let path = self.path("keyring");
        format!("[[keys]]\nkind = 'file'\npath = {path:?}\nin_the_clear = true\n")
    }
}

pub(crate) async fn connect(text: &str) -> Service {
    let connected = Config::parse(text).unwrap().connect().await;
    connected.unwrap_or_else(|error| panic!("{}\n{text}", said(&error)))
}

pub(crate) async fn refused(text: &str) -> ConfigError {
    Config::parse(text).unwrap().connect().await.expect_err(text)
}

/// The error and what is behind it.
pub(crate) fn said(error: &ConfigError) -> String {
    let behind = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{behind}")
}
