//! A keyring file as a key service.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use sealmq::local::{FileKeyring, FileKeyringConfig};
use sealmq::{KeyError, KeyManagementService};

use super::{KeySource, Purpose};
use crate::error::CliError;
use crate::keyring::require_file;
use crate::passphrase::Protection;

pub(super) struct FileSource {
    path: PathBuf,
    protection: Protection,
    purpose: Purpose,
}

impl FileSource {
    /// The keyring at this path, which has to be there.
    pub(super) fn at(
        path: &str,
        protection: &Protection,
        purpose: Purpose,
    ) -> Result<Self, CliError> {
        let path = PathBuf::from(path);
        require_file(&path)?;
        protection.passphrase()?;
        Ok(Self { path, protection: protection.clone(), purpose })
    }
}

#[async_trait]
impl KeySource for FileSource {
    fn kind(&self) -> &'static str {
        "file"
    }

    fn describe(&self) -> String {
        format!("keyring file {}", self.path.display())
    }

    /// The passphrase is read anew: it is not to be copied.
    async fn connect(&self) -> Result<Arc<dyn KeyManagementService>, KeyError> {
        let config = FileKeyringConfig::new(&self.path);
        let config = config.with_auto_create(self.purpose.creates());
        let passphrase = self.protection.passphrase();
        let passphrase =
            passphrase.map_err(|error| KeyError::invalid_input("passphrase", error.to_string()))?;
        Ok(Arc::new(match passphrase {
            Some(passphrase) => FileKeyring::open(config, passphrase).await?,
            None => FileKeyring::open_in_the_clear(config).await?,
        }))
    }

    fn how_to_prepare(&self) -> &'static str {
        "sealmq keyring init FILE"
    }

    fn remains(&self) -> &'static str {
        "its name among the shredded ones"
    }
}
