//! A key service in memory that hands out handles for wrapped DEKs and enforces their context.

use std::collections::{HashMap, HashSet};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use sealmq_crypto_core::{
    EncryptionKey, GeneratedDek, KekVersion, KeyError, KeyErrorKind, KeyManagementService,
    KmsCapabilities, TenantId, WrapContext,
};

use super::{Switchboard, masked, unmasked};

/// Dereferences to its [`Switchboard`].
pub(crate) struct FakeKms {
    name: String,
    switchboard: Switchboard,
    confused: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    wraps: HashMap<Vec<u8>, Wrap>,
    operations: HashMap<&'static str, usize>,
    shredded: HashSet<TenantId>,
}

struct Wrap {
    dek: Vec<u8>,
    context: WrapContext,
}

impl FakeKms {
    pub(crate) fn new(name: &str) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            switchboard: Switchboard::default(),
            confused: AtomicBool::new(false),
            state: Mutex::default(),
        })
    }

    /// How many calls of one operation have begun.
    pub(crate) fn count(&self, operation: &str) -> usize {
        let state = self.state.lock().unwrap();
        state.operations.get(operation).copied().unwrap_or_default()
    }

    /// The DEKs this service has wrapped, masked as the needle of a memory scan is.
    pub(crate) fn masked_deks(&self) -> Vec<Vec<u8>> {
        let state = self.state.lock().unwrap();
        state.wraps.values().map(|wrap| wrap.dek.clone()).collect()
    }

    /// The wrapped DEKs this service has handed out, the oldest first.
    pub(crate) fn handles(&self) -> Vec<Vec<u8>> {
        let mut handles: Vec<_> = self.state.lock().unwrap().wraps.keys().cloned().collect();
        handles.sort();
        handles
    }

    /// From now on it unwraps something else than it wrapped.
    pub(crate) fn confuse(&self) {
        self.confused.store(true, Ordering::SeqCst);
    }

    async fn begin(&self, operation: &'static str, tenant: &TenantId) -> Result<(), KeyError> {
        *self.state.lock().unwrap().operations.entry(operation).or_default() += 1;
        self.switchboard.pass().await?;
        if self.state.lock().unwrap().shredded.contains(tenant) {
            return Err(KeyError::new(KeyErrorKind::KeyNotFound, "shredded"));
        }
        Ok(())
    }

    fn wrap(&self, dek: &EncryptionKey, context: &WrapContext) -> Vec<u8> {
        let mut state = self.state.lock().unwrap();
        let handle = format!("fake:{}:{:08}", self.name, state.wraps.len()).into_bytes();
        let wrap = Wrap { dek: masked(dek.expose_secret()), context: context.clone() };
        state.wraps.insert(handle.clone(), wrap);
        handle
    }

    fn unwrap(&self, wrapped: &[u8], context: &WrapContext) -> Result<EncryptionKey, KeyError> {
        if !wrapped.starts_with(b"fake:") {
            return Err(KeyError::new(KeyErrorKind::Malformed, "not a handle"));
        }
        match self.state.lock().unwrap().wraps.get(wrapped) {
            Some(wrap) if wrap.context == *context => Ok(unmasked(&wrap.dek)),
            _ => Err(KeyError::new(KeyErrorKind::ContextMismatch, "decrypt_dek")),
        }
    }
}

impl Deref for FakeKms {
    type Target = Switchboard;

    fn deref(&self) -> &Switchboard {
        &self.switchboard
    }
}

#[async_trait]
impl KeyManagementService for FakeKms {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> KmsCapabilities {
        KmsCapabilities::full(64)
    }

    fn version_of(&self, wrapped: &[u8]) -> Option<KekVersion> {
        wrapped.starts_with(b"fake:").then_some(KekVersion(1))
    }

    async fn generate_dek(&self, context: &WrapContext) -> Result<GeneratedDek, KeyError> {
        self.begin("generate_dek", context.tenant()).await?;
        let dek = EncryptionKey::generate().unwrap();
        let wrapped = self.wrap(&dek, context);
        Ok(GeneratedDek { dek, wrapped })
    }

    async fn encrypt_dek(
        &self,
        dek: &EncryptionKey,
        context: &WrapContext,
    ) -> Result<Vec<u8>, KeyError> {
        self.begin("encrypt_dek", context.tenant()).await?;
        Ok(self.wrap(dek, context))
    }

    async fn decrypt_dek(
        &self,
        wrapped: &[u8],
        context: &WrapContext,
    ) -> Result<EncryptionKey, KeyError> {
        self.begin("decrypt_dek", context.tenant()).await?;
        if self.confused.load(Ordering::SeqCst) {
            return Ok(EncryptionKey::generate().unwrap());
        }
        self.unwrap(wrapped, context)
    }

    async fn rewrap_dek(&self, wrapped: &[u8], context: &WrapContext) -> Result<Vec<u8>, KeyError> {
        self.begin("rewrap_dek", context.tenant()).await?;
        let dek = self.unwrap(wrapped, context)?;
        Ok(self.wrap(&dek, context))
    }

    async fn rotate_kek(&self, _: &TenantId) -> Result<KekVersion, KeyError> {
        Ok(KekVersion(1))
    }

    async fn delete_kek(&self, tenant: &TenantId) -> Result<(), KeyError> {
        self.state.lock().unwrap().shredded.insert(tenant.clone());
        Ok(())
    }

    async fn health(&self) -> Result<(), KeyError> {
        self.switchboard.pass().await
    }

    async fn close(&self) -> Result<(), KeyError> {
        self.switchboard.close().await
    }
}
