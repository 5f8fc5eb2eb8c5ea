//! What the clients of one sabotaged service share: the honest service behind them, and notes.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use sealmq_crypto_core::{EncryptionKey, KekVersion, TenantId, WrapContext};
use sealmq_keys_local::MemoryKms;

/// A wrapped form that was made, with what it holds.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) context: WrapContext,
    pub(crate) dek: Vec<u8>,
}

pub(crate) struct World {
    pub(crate) kms: MemoryKms,
    /// Another service, with other KEKs.
    pub(crate) stranger: MemoryKms,
    /// A service that is never rotated.
    pub(crate) unrotated: MemoryKms,
    pub(crate) one_dek: EncryptionKey,
    pub(crate) made: Mutex<HashMap<Vec<u8>, Made>>,
    pub(crate) used: Mutex<HashSet<TenantId>>,
    pub(crate) lives: Mutex<HashMap<TenantId, usize>>,
    pub(crate) revoked: Mutex<HashSet<Vec<u8>>>,
    pub(crate) locked: AtomicBool,
    pub(crate) rotating: AtomicBool,
    pub(crate) under_way: AtomicUsize,
    pub(crate) asked: AtomicUsize,
    pub(crate) is_down: bool,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            kms: MemoryKms::new(),
            stranger: MemoryKms::new(),
            unrotated: MemoryKms::new(),
            one_dek: EncryptionKey::generate().unwrap(),
            made: Mutex::default(),
            used: Mutex::default(),
            lives: Mutex::default(),
            revoked: Mutex::default(),
            locked: AtomicBool::new(false),
            rotating: AtomicBool::new(false),
            under_way: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            is_down: false,
        }
    }

    /// The version of a tenant that wraps, if it has one.
    pub(crate) fn latest(&self, tenant: &TenantId) -> Option<KekVersion> {
        let tenants = self.kms.tenants();
        tenants.into_iter().find(|(name, _)| name == tenant).map(|(_, version)| version)
    }

    pub(crate) fn note(&self, wrapped: &[u8], context: &WrapContext, dek: &EncryptionKey) {
        let made = Made { context: context.clone(), dek: dek.expose_secret().to_vec() };
        self.made.lock().unwrap().insert(wrapped.to_vec(), made);
    }

    pub(crate) fn made(&self, wrapped: &[u8]) -> Option<Made> {
        self.made.lock().unwrap().get(wrapped).cloned()
    }
}

impl Made {
    pub(crate) fn dek(&self) -> EncryptionKey {
        EncryptionKey::from_slice(&self.dek).unwrap()
    }
}
