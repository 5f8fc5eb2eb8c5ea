//! An open keyring file: what it holds now, and changes to it. Everything here blocks.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sealmq_crypto_core::{KeyError, KeyErrorKind, random_bytes};
use zeroize::Zeroizing;

use super::disk::{self, FileVersion};
use super::document::{self, Document};
use super::lock::WriteLock;
use super::passphrase_key::PassphraseKey;
use crate::contents::Contents;
use crate::error::Flaw;
use crate::{FileKeyringConfig, Passphrase};

/// How the file is protected at rest.
enum Protection {
    InTheClear,
    ByPassphrase(PassphraseKey),
}

/// What was read, and from which version of the file.
struct Loaded {
    contents: Arc<Contents>,
    version: FileVersion,
}

pub(super) struct Store {
    path: PathBuf,
    lock_wait: Duration,
    protection: Protection,
    loaded: Mutex<Loaded>,
}

impl Store {
    /// Makes the file, with nothing in it. `None` is in the clear.
    pub(super) fn create(
        config: &FileKeyringConfig,
        passphrase: Option<Passphrase>,
    ) -> Result<Self, KeyError> {
        let protection = match &passphrase {
            None => Protection::InTheClear,
            Some(passphrase) => {
                let salt = random_bytes()?;
                let key = PassphraseKey::derive(passphrase, config.passphrase_cost, salt)
                    .map_err(|flaw| flaw.at(&config.path))?;
                Protection::ByPassphrase(key)
            }
        };
        let path = config.path.clone();
        let lock = WriteLock::acquire(&path, config.lock_wait)?;
        if fs::symlink_metadata(&path).is_ok() {
            let reason = format!("there is a file at {} already", path.display());
            return Err(KeyError::invalid_input("path", reason));
        }
        disk::replace(&path, &protection.render(&Contents::default())?)?;
        drop(lock);
        let (bytes, version) = disk::read(&path)?;
        let contents = protection.open(&bytes).map_err(|flaw| flaw.at(&path))?;
        let loaded = Mutex::new(Loaded { contents: Arc::new(contents), version });
        Ok(Self { path, lock_wait: config.lock_wait, protection, loaded })
    }

    /// Opens the file. `None` is in the clear.
    pub(super) fn open(
        config: &FileKeyringConfig,
        passphrase: Option<Passphrase>,
    ) -> Result<Self, KeyError> {
        let path = config.path.clone();
        let (bytes, version) = disk::read(&path)?;
        let (contents, protection) =
            open_first(&bytes, passphrase).map_err(|flaw| flaw.at(&path))?;
        let loaded = Mutex::new(Loaded { contents: Arc::new(contents), version });
        Ok(Self { path, lock_wait: config.lock_wait, protection, loaded })
    }

    /// What the file holds now; read again only when another version of it stands at the path.
    ///
    /// A file that cannot be read any more makes this `Unavailable`, whatever is wrong with it: no
    /// message is to blame for it.
    pub(super) fn contents(&self) -> Result<Arc<Contents>, KeyError> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if !loaded.version.is_at(&self.path) {
            *loaded = self.load().map_err(|error| {
                let reason = "the keyring changed and cannot be read again";
                KeyError::new(KeyErrorKind::Unavailable, reason).with_source(error)
            })?;
        }
        Ok(Arc::clone(&loaded.contents))
    }

    /// Changes what the file holds: all of `change` or nothing, with every other writer's changes
    /// kept.
    pub(super) fn update<R>(
        &self,
        change: impl FnOnce(&mut Contents) -> Result<R, KeyError>,
    ) -> Result<R, KeyError> {
        let _lock = WriteLock::acquire(&self.path, self.lock_wait)?;
        let before = self.contents()?;
        let mut after = Contents::clone(&before);
        let result = change(&mut after)?;
        if after != *before {
            disk::replace(&self.path, &self.protection.render(&after)?)?;
        }
        Ok(result)
    }

    fn load(&self) -> Result<Loaded, KeyError> {
        let (bytes, version) = disk::read(&self.path)?;
        let contents = self.protection.open(&bytes).map_err(|flaw| flaw.at(&self.path))?;
        Ok(Loaded { contents: Arc::new(contents), version })
    }
}

impl Protection {
    fn render(&self, contents: &Contents) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        match self {
            Self::InTheClear => document::render_in_the_clear(contents),
            Self::ByPassphrase(key) => document::render_by_passphrase(contents, key),
        }
    }

    /// Opens the file as it was opened before.
    fn open(&self, bytes: &[u8]) -> Result<Contents, Flaw> {
        match (self, Document::parse(bytes)?) {
            (Self::InTheClear, Document::InTheClear(contents)) => Ok(contents),
            (Self::ByPassphrase(key), Document::ByPassphrase { cost, salt, sealed })
                if (key.cost, key.salt) == (cost, salt) =>
            {
                document::parse_payload(&key.open(sealed)?)
            }
            _ => Err(Flaw::denied("its protection is another one than when it was opened")),
        }
    }
}

/// Opens the file for the first time, which is when the passphrase is needed.
fn open_first(
    bytes: &[u8],
    passphrase: Option<Passphrase>,
) -> Result<(Contents, Protection), Flaw> {
    match (Document::parse(bytes)?, passphrase) {
        (Document::InTheClear(contents), None) => Ok((contents, Protection::InTheClear)),
        (Document::ByPassphrase { cost, salt, sealed }, Some(passphrase)) => {
            let key = PassphraseKey::derive(&passphrase, cost, salt)?;
            let contents = document::parse_payload(&key.open(sealed)?)?;
            Ok((contents, Protection::ByPassphrase(key)))
        }
        (Document::InTheClear(_), Some(_)) => {
            Err(Flaw::denied("it is in the clear, and was to be opened by a passphrase"))
        }
        (Document::ByPassphrase { .. }, None) => {
            Err(Flaw::denied("it is under a passphrase, and was to be opened in the clear"))
        }
    }
}
