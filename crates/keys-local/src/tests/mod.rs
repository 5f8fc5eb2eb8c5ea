//! Tests of this crate, and what several of them need.

mod memory_keyring;
mod memory_kms;

#[cfg(unix)]
mod file_damage;
#[cfg(unix)]
mod file_golden;
#[cfg(unix)]
mod file_keyring;
#[cfg(unix)]
mod file_secrecy;
#[cfg(unix)]
mod file_writers;

use std::path::PathBuf;

use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, KeyError, TenantId, WrapContext};
use tempfile::TempDir;

use crate::{FileKeyring, FileKeyringConfig, Passphrase, PassphraseCost};

fn id(name: &str) -> EncryptionKeyId {
    EncryptionKeyId::new(name).unwrap()
}

fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

fn context(tenant_name: &str) -> WrapContext {
    WrapContext::new(Some("test"), tenant(tenant_name), "orders")
}

fn key(byte: u8) -> EncryptionKey {
    EncryptionKey::from_slice(&[byte; 32]).unwrap()
}

/// The error of a result whose value cannot be shown.
#[track_caller]
fn refusal<T>(result: Result<T, KeyError>) -> KeyError {
    match result {
        Ok(_) => panic!("this is to be refused"),
        Err(error) => error,
    }
}

/// The error with all its sources.
fn chain(error: &KeyError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        text += &format!(": {source}");
        next = source.source();
    }
    text
}

/// A folder for one test.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("keyring.json")
    }

    fn config(&self) -> FileKeyringConfig {
        cheap(self.path())
    }

    async fn create(&self) -> FileKeyring {
        FileKeyring::create(self.config(), passphrase("open sesame")).await.unwrap()
    }

    async fn open(&self) -> Result<FileKeyring, KeyError> {
        FileKeyring::open(self.config(), passphrase("open sesame")).await
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.path()).unwrap()
    }

    /// Everything in the folder, by name.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text.to_owned()).unwrap()
}

/// A keyring whose passphrase costs as little as is allowed.
fn cheap(path: PathBuf) -> FileKeyringConfig {
    let cost = PassphraseCost::new(19 * 1024, 2, 1).unwrap();
    FileKeyringConfig::new(path).with_passphrase_cost(cost)
}

/// The ways a key could stand in a text.
fn spellings(key: &EncryptionKey) -> Vec<Vec<u8>> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    let secret = key.expose_secret();
    let list = format!("{secret:?}");
    vec![
        secret.to_vec(),
        hex::encode(secret).into_bytes(),
        hex::encode_upper(secret).into_bytes(),
        STANDARD_NO_PAD.encode(secret).into_bytes(),
        URL_SAFE_NO_PAD.encode(secret).into_bytes(),
        list.trim_matches(['[', ']']).as_bytes().to_vec(),
    ]
}

#[track_caller]
fn assert_shows_no_key(what: &str, shown: &[u8], keys: &[&EncryptionKey]) {
    for spelling in keys.iter().flat_map(|key| spellings(key)) {
        let found = shown.windows(spelling.len()).any(|window| window == spelling);
        assert!(!found, "{what} shows a key");
    }
}
