//! The keyring file as a source of keys: [`FileKeyring`].

mod disk;
mod document;
mod lock;
mod named;
mod passphrase_key;
mod payload;
mod secret_base64;
mod secret_buffer;
mod service;
mod store;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use sealmq_crypto_core::{KeyError, KeyErrorKind};

use crate::contents::Contents;
use crate::{FileKeyringConfig, Passphrase};
use store::Store;

/// A keyring file: named keys, and KEKs of tenants that wrap DEKs, in one file that several
/// processes of a host may use at once.
///
/// # Contract
/// - It is a [`KeyProvider`] of its named keys, and a [`KeyManagementService`] of its KEKs; wrapped
///   DEKs have the form of [`MemoryKms`].
/// - A change by any process is seen by the next call of every other one: each call looks whether
///   the file is still the one it knows. So nothing needs to be remembered, and
///   [`refresh_interval`](sealmq_crypto_core::KeyProvider::refresh_interval) is zero.
/// - Changes of all writers, threads or processes, come one after the other; none is lost. A call
///   that is dropped meanwhile may or may not have made its change, and holds nobody up.
/// - A change is complete on disk before its call returns. Until then the old file stands, and
///   after any failure, a crash or a full disk too.
/// - Under a passphrase the file shows and gives away nothing about keys, tenants or ids but its
///   length, and no byte of it can be changed unnoticed. An older copy of the file is a good file.
/// - Clones share the open file. Calls need a tokio runtime.
///
/// # Errors of all calls
/// `Unavailable` (retryable) when the file cannot be read any more, whatever is wrong with it, or
/// another writer held the lock all the time. `Denied` when the directory or the file may not be
/// written. Each names the file.
///
/// # The file
/// JSON, for its owner alone (mode 0600, refused otherwise), at most 16 MiB:
///
/// ```json
/// {
///   "format": "sealmq-keyring",
///   "version": 1,
///   "protection": "passphrase",
///   "kdf": { "algorithm": "argon2id", "memory_kib": 65536, "iterations": 3, "parallelism": 1, "salt": "…16 bytes" },
///   "aead": { "algorithm": "aes-256-gcm", "nonce": "…12 bytes" },
///   "payload": "…"
/// }
/// ```
///
/// Bytes are padded base64. The passphrase and the salt give 32 bytes by Argon2id, version 1.3
/// (RFC 9106), and with them AES-256-GCM seals the payload, under a new nonce for each change. The
/// associated data is `"sealmq-keyring/v1/argon2id/aes-256-gcm" ‖ memory_kib u32 ‖ iterations u32 ‖
/// parallelism u32 ‖ salt`, big-endian. Costs outside of the bounds of
/// [`PassphraseCost`](crate::PassphraseCost) are refused.
///
/// The payload is JSON, which stands as an object in place of the text where the protection is
/// `"none"`; `kdf` and `aead` are absent then:
///
/// ```json
/// {
///   "current_key": "orders-2",
///   "named_keys": [{ "id": "orders-2", "key": "…32 bytes" }],
///   "retired_keys": ["orders-1"],
///   "tenants": [{ "tenant": "acme", "versions": [{ "version": 1, "key": "…32 bytes" }] }],
///   "shredded_tenants": ["gone"]
/// }
/// ```
///
/// Unknown fields are refused. Beside the file, `….lock` is what writers lock and stays; `….tmp` is
/// the next version while it is written, and is removed by the next writer if a crash left it.
/// The file has to be on a local file system, in a directory that only its owner may write to.
///
/// ```no_run
/// # use sealmq_crypto_core::{EncryptionKeyId, KeyError};
/// # use sealmq_keys_local::{FileKeyring, Passphrase};
/// # async fn example(passphrase: String) -> Result<(), KeyError> {
/// let keyring = FileKeyring::create("keyring.json", Passphrase::new(passphrase)?).await?;
/// keyring.rotate(EncryptionKeyId::new("orders-1")?).await?;
/// # Ok(())
/// # }
/// ```
///
/// [`KeyProvider`]: sealmq_crypto_core::KeyProvider
/// [`KeyManagementService`]: sealmq_crypto_core::KeyManagementService
/// [`MemoryKms`]: crate::MemoryKms
#[derive(Clone)]
pub struct FileKeyring {
    store: Arc<Store>,
    name: Arc<str>,
    path: Arc<Path>,
    auto_create: bool,
}

impl FileKeyring {
    /// Makes a keyring file under a passphrase, with nothing in it yet, and opens it.
    ///
    /// # Errors
    /// `InvalidInput` when there is a file already; `Denied` and `Unavailable` for what the
    /// system says.
    pub async fn create(
        config: impl Into<FileKeyringConfig>,
        passphrase: Passphrase,
    ) -> Result<Self, KeyError> {
        Self::start(config.into(), Some(passphrase), Store::create).await
    }

    /// Makes a keyring file whose keys anyone reads who reads the file, and opens it.
    ///
    /// # Errors
    /// As [`FileKeyring::create`].
    pub async fn create_in_the_clear(
        config: impl Into<FileKeyringConfig>,
    ) -> Result<Self, KeyError> {
        Self::start(config.into(), None, Store::create).await
    }

    /// Opens a keyring file by its passphrase. The passphrase is forgotten, the key it gave is
    /// kept until the last clone is dropped.
    ///
    /// # Errors
    /// `Denied` when its group or others may read the file, when it is in the clear, when the
    /// passphrase is wrong or the payload was changed; `Malformed` when it is no keyring, is cut
    /// off or of a later version; `Unavailable` when it is not there.
    pub async fn open(
        config: impl Into<FileKeyringConfig>,
        passphrase: Passphrase,
    ) -> Result<Self, KeyError> {
        Self::start(config.into(), Some(passphrase), Store::open).await
    }

    /// Opens a keyring file whose keys anyone reads who reads the file.
    ///
    /// # Errors
    /// As [`FileKeyring::open`]; `Denied` when it is under a passphrase.
    pub async fn open_in_the_clear(config: impl Into<FileKeyringConfig>) -> Result<Self, KeyError> {
        Self::start(config.into(), None, Store::open).await
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    async fn start(
        config: FileKeyringConfig,
        passphrase: Option<Passphrase>,
        start: fn(&FileKeyringConfig, Option<Passphrase>) -> Result<Store, KeyError>,
    ) -> Result<Self, KeyError> {
        if config.path.as_os_str().is_empty() {
            return Err(KeyError::invalid_input("path", "is empty"));
        }
        let (path, auto_create) = (config.path.clone(), config.auto_create);
        let store = Arc::new(blocking(move || start(&config, passphrase)).await?);
        Ok(Self { store, name: name_of(&path), path: path.into(), auto_create })
    }

    async fn contents(&self) -> Result<Arc<Contents>, KeyError> {
        let store = Arc::clone(&self.store);
        blocking(move || store.contents()).await
    }

    async fn update<R: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Contents) -> Result<R, KeyError> + Send + 'static,
    ) -> Result<R, KeyError> {
        let store = Arc::clone(&self.store);
        blocking(move || store.update(change)).await
    }
}

fn name_of(path: &Path) -> Arc<str> {
    format!("file:{}", path.display()).into()
}

/// Runs file I/O and passphrase hashing where they hold nobody up.
async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, KeyError> + Send + 'static,
) -> Result<R, KeyError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        let reason = "the runtime gave up the work on the keyring";
        Err(KeyError::new(KeyErrorKind::Unavailable, reason).with_source(error))
    })
}

impl fmt::Debug for FileKeyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileKeyring")
            .field("path", &self.path)
            .field("auto_create", &self.auto_create)
            .finish_non_exhaustive()
    }
}

/// Whether these bytes are a keyring file in the clear, or what is wrong with them.
#[cfg(test)]
pub(crate) fn check_document(bytes: &[u8]) -> Result<(), crate::error::Flaw> {
    document::Document::parse(bytes).map(drop)
}
