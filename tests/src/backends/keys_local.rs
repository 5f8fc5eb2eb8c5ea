//! The key sources without a server under test: in memory, and in a keyring file.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use sealmq_crypto_core::{EncryptionKeyId, KeyErrorKind, KeyManagementService, KeyProvider};
use sealmq_keys_local::{
    FileKeyring, FileKeyringConfig, MemoryKeyring, MemoryKms, Passphrase, PassphraseCost,
};
use tempfile::TempDir;

use crate::keys::kms::{BadForm, KmsBackend, KmsHarness};
use crate::keys::provider::{KeyProviderBackend, KeyProviderHarness};
use crate::outcome::CaseResult;

const PASSPHRASE: &str = "a passphrase that must not be seen";

/// The services of this crate tell all bad forms apart: the version stands first, all that
/// follows is authenticated.
fn refusals_of(form: BadForm) -> Vec<KeyErrorKind> {
    match form {
        BadForm::Changed { at: 0..4, .. } => vec![KeyErrorKind::WrongKeyVersion],
        BadForm::Changed { .. } => vec![KeyErrorKind::ContextMismatch],
        other => other.usual_refusals(),
    }
}

/// [`MemoryKms`]; every case has one of its own.
pub struct MemoryKmsBackend;

#[async_trait]
impl KmsBackend for MemoryKmsBackend {
    fn name(&self) -> &'static str {
        "memory-kms"
    }

    async fn harness(&self) -> CaseResult<Box<dyn KmsHarness>> {
        Ok(Box::new(MemoryKmsHarness(MemoryKms::new())))
    }
}

struct MemoryKmsHarness(MemoryKms);

#[async_trait]
impl KmsHarness for MemoryKmsHarness {
    async fn client(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Ok(Arc::new(self.0.clone()))
    }

    async fn stranger(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Ok(Arc::new(MemoryKms::new()))
    }

    async fn client_that_creates_nothing(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Ok(Arc::new(self.0.clone().with_auto_create(false)))
    }

    fn refusals_of(&self, form: BadForm) -> Vec<KeyErrorKind> {
        refusals_of(form)
    }

    fn shows(&self) -> Vec<String> {
        vec![format!("{:?}", self.0)]
    }
}

/// [`MemoryKeyring`]; every case has one of its own.
pub struct MemoryKeyringBackend;

#[async_trait]
impl KeyProviderBackend for MemoryKeyringBackend {
    fn name(&self) -> &'static str {
        "memory-keyring"
    }

    async fn harness(&self) -> CaseResult<Box<dyn KeyProviderHarness>> {
        let keyring = MemoryKeyring::generate(numbered(0)?)?;
        Ok(Box::new(MemoryKeyringHarness { keyring, rotations: AtomicUsize::new(0) }))
    }
}

struct MemoryKeyringHarness {
    keyring: MemoryKeyring,
    rotations: AtomicUsize,
}

#[async_trait]
impl KeyProviderHarness for MemoryKeyringHarness {
    async fn client(&self) -> CaseResult<Arc<dyn KeyProvider>> {
        Ok(Arc::new(self.keyring.clone()))
    }

    async fn rotate(&self) -> CaseResult<EncryptionKeyId> {
        let id = numbered(self.rotations.fetch_add(1, Ordering::Relaxed) + 1)?;
        self.keyring.rotate(id.clone())?;
        Ok(id)
    }

    async fn retire(&self, id: &EncryptionKeyId) -> CaseResult {
        Ok(self.keyring.retire(id)?)
    }

    fn shows(&self) -> Vec<String> {
        vec![format!("{:?}", self.keyring)]
    }
}

fn numbered(n: usize) -> CaseResult<EncryptionKeyId> {
    Ok(EncryptionKeyId::new(&format!("key-{n}"))?)
}

/// How a keyring file is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// By a passphrase.
    Passphrase,
    /// Not at all.
    InTheClear,
}

/// [`FileKeyring`], as a key service and as a key store; every case has a file of its own.
pub struct FileKeyringBackend(pub Protection);

struct FileKeyringHarness {
    protection: Protection,
    folder: TempDir,
    first: FileKeyring,
    rotations: AtomicUsize,
}

impl FileKeyringBackend {
    fn label(&self) -> &'static str {
        match self.0 {
            Protection::Passphrase => "file-keyring",
            Protection::InTheClear => "file-keyring-in-the-clear",
        }
    }

    async fn file(&self) -> CaseResult<FileKeyringHarness> {
        let folder = tempfile::tempdir()?;
        let first = start(self.0, config(&folder, "keyring.json")?, true).await?;
        Ok(FileKeyringHarness { protection: self.0, folder, first, rotations: AtomicUsize::new(0) })
    }
}

fn config(folder: &TempDir, name: &str) -> CaseResult<FileKeyringConfig> {
    let cheap = PassphraseCost::new(*PassphraseCost::MEMORY_KIB.start(), 2, 1)?;
    Ok(FileKeyringConfig::new(folder.path().join(name)).with_passphrase_cost(cheap))
}

async fn start(
    protection: Protection,
    config: FileKeyringConfig,
    new: bool,
) -> CaseResult<FileKeyring> {
    let passphrase = || Passphrase::new(PASSPHRASE.to_owned());
    Ok(match (protection, new) {
        (Protection::Passphrase, true) => FileKeyring::create(config, passphrase()?).await?,
        (Protection::Passphrase, false) => FileKeyring::open(config, passphrase()?).await?,
        (Protection::InTheClear, true) => FileKeyring::create_in_the_clear(config).await?,
        (Protection::InTheClear, false) => FileKeyring::open_in_the_clear(config).await?,
    })
}

impl FileKeyringHarness {
    async fn open(&self, auto_create: bool) -> CaseResult<FileKeyring> {
        let config = config(&self.folder, "keyring.json")?.with_auto_create(auto_create);
        start(self.protection, config, false).await
    }

    async fn add_key(&self) -> CaseResult<EncryptionKeyId> {
        let id = numbered(self.rotations.fetch_add(1, Ordering::Relaxed))?;
        self.first.rotate(id.clone()).await?;
        Ok(id)
    }

    fn shown(&self) -> Vec<String> {
        let config = config(&self.folder, "keyring.json");
        vec![format!("{:?}", self.first), format!("{config:?}")]
    }

    fn secret(&self) -> Vec<Vec<u8>> {
        vec![PASSPHRASE.into()]
    }
}

#[async_trait]
impl KmsBackend for FileKeyringBackend {
    fn name(&self) -> &'static str {
        self.label()
    }

    async fn harness(&self) -> CaseResult<Box<dyn KmsHarness>> {
        Ok(Box::new(self.file().await?))
    }
}

#[async_trait]
impl KmsHarness for FileKeyringHarness {
    async fn client(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Ok(Arc::new(self.open(true).await?))
    }

    async fn stranger(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        let config = config(&self.folder, "stranger.json")?;
        Ok(Arc::new(start(self.protection, config, true).await?))
    }

    async fn client_that_creates_nothing(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Ok(Arc::new(self.open(false).await?))
    }

    fn refusals_of(&self, form: BadForm) -> Vec<KeyErrorKind> {
        refusals_of(form)
    }

    fn shows(&self) -> Vec<String> {
        self.shown()
    }

    fn secrets(&self) -> Vec<Vec<u8>> {
        self.secret()
    }
}

#[async_trait]
impl KeyProviderBackend for FileKeyringBackend {
    fn name(&self) -> &'static str {
        self.label()
    }

    async fn harness(&self) -> CaseResult<Box<dyn KeyProviderHarness>> {
        let harness = self.file().await?;
        harness.add_key().await?;
        Ok(Box::new(harness))
    }
}

#[async_trait]
impl KeyProviderHarness for FileKeyringHarness {
    async fn client(&self) -> CaseResult<Arc<dyn KeyProvider>> {
        Ok(Arc::new(self.open(true).await?))
    }

    async fn rotate(&self) -> CaseResult<EncryptionKeyId> {
        self.add_key().await
    }

    async fn retire(&self, id: &EncryptionKeyId) -> CaseResult {
        Ok(self.first.retire(id).await?)
    }

    fn shows(&self) -> Vec<String> {
        self.shown()
    }

    fn secrets(&self) -> Vec<Vec<u8>> {
        self.secret()
    }
}
