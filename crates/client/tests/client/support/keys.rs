//! Key sources that can be switched off, and that count how often they were asked.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use sealmq_crypto_core::{
    EncryptionKey, EncryptionKeyId, GeneratedDek, KekVersion, KeyError, KeyErrorKind,
    KeyManagementService, KeyProvider, KmsCapabilities, TenantId, WrapContext,
};
use sealmq_keys_local::{MemoryKeyring, MemoryKms};
use tokio::sync::watch;

/// What every call passes first.
#[derive(Default)]
pub(crate) struct Switch {
    failure: Mutex<Option<KeyErrorKind>>,
    /// As many as there are callers that wait for an answer listen to it.
    hangs: watch::Sender<bool>,
    calls: AtomicUsize,
    is_closed: AtomicBool,
}

impl Switch {
    async fn pass(&self) -> Result<(), KeyError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if *self.hangs.borrow() {
            let answers = |hangs: &bool| !hangs;
            self.hangs.subscribe().wait_for(answers).await.expect("the switch is there");
        }
        match &*self.failure.lock().unwrap() {
            Some(kind) => Err(KeyError::new(kind.clone(), "switched off by the test")),
            None => Ok(()),
        }
    }

    /// Every call fails like this from now on; `None` for none.
    pub(crate) fn fail(&self, kind: impl Into<Option<KeyErrorKind>>) {
        *self.failure.lock().unwrap() = kind.into();
    }

    /// No call returns from now on.
    pub(crate) fn hang(&self) {
        self.hangs.send_replace(true);
    }

    /// Calls return again, also those that wait.
    pub(crate) fn answer(&self) {
        self.hangs.send_replace(false);
    }

    /// How many calls wait for an answer.
    pub(crate) fn waiting(&self) -> usize {
        self.hangs.receiver_count()
    }

    async fn close(&self) -> Result<(), KeyError> {
        self.pass().await?;
        self.is_closed.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Whether somebody closed it.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

/// A key store with a switch.
pub(crate) struct SwitchedKeys {
    keys: MemoryKeyring,
    pub(crate) switch: Switch,
}

impl SwitchedKeys {
    pub(crate) fn new(keys: &MemoryKeyring) -> Arc<Self> {
        Arc::new(Self { keys: keys.clone(), switch: Switch::default() })
    }
}

#[async_trait]
impl KeyProvider for SwitchedKeys {
    async fn get_key(&self, id: &EncryptionKeyId) -> Result<Arc<EncryptionKey>, KeyError> {
        self.switch.pass().await?;
        self.keys.get_key(id).await
    }

    async fn current_key_id(&self) -> Result<EncryptionKeyId, KeyError> {
        self.switch.pass().await?;
        self.keys.current_key_id().await
    }

    async fn valid_key_ids(&self) -> Result<Vec<EncryptionKeyId>, KeyError> {
        self.switch.pass().await?;
        self.keys.valid_key_ids().await
    }

    async fn close(&self) -> Result<(), KeyError> {
        self.switch.close().await
    }
}

/// A key service with a switch.
pub(crate) struct SwitchedKms {
    kms: MemoryKms,
    deks: Mutex<Vec<Vec<u8>>>,
    pub(crate) switch: Switch,
}

impl SwitchedKms {
    pub(crate) fn new(kms: &MemoryKms) -> Arc<Self> {
        let (deks, switch) = (Mutex::default(), Switch::default());
        Arc::new(Self { kms: kms.clone(), deks, switch })
    }

    /// The DEKs that it made.
    pub(crate) fn deks(&self) -> Vec<Vec<u8>> {
        self.deks.lock().unwrap().clone()
    }
}

#[async_trait]
impl KeyManagementService for SwitchedKms {
    fn name(&self) -> &str {
        "switched"
    }

    fn capabilities(&self) -> KmsCapabilities {
        self.kms.capabilities()
    }

    fn version_of(&self, wrapped: &[u8]) -> Option<KekVersion> {
        self.kms.version_of(wrapped)
    }

    async fn generate_dek(&self, context: &WrapContext) -> Result<GeneratedDek, KeyError> {
        self.switch.pass().await?;
        let generated = self.kms.generate_dek(context).await?;
        self.deks.lock().unwrap().push(generated.dek.expose_secret().to_vec());
        Ok(generated)
    }

    async fn encrypt_dek(
        &self,
        dek: &EncryptionKey,
        context: &WrapContext,
    ) -> Result<Vec<u8>, KeyError> {
        self.switch.pass().await?;
        self.kms.encrypt_dek(dek, context).await
    }

    async fn decrypt_dek(
        &self,
        wrapped: &[u8],
        context: &WrapContext,
    ) -> Result<EncryptionKey, KeyError> {
        self.switch.pass().await?;
        self.kms.decrypt_dek(wrapped, context).await
    }

    async fn rewrap_dek(&self, wrapped: &[u8], context: &WrapContext) -> Result<Vec<u8>, KeyError> {
        self.switch.pass().await?;
        self.kms.rewrap_dek(wrapped, context).await
    }

    async fn rotate_kek(&self, tenant: &TenantId) -> Result<KekVersion, KeyError> {
        self.switch.pass().await?;
        self.kms.rotate_kek(tenant).await
    }

    async fn delete_kek(&self, tenant: &TenantId) -> Result<(), KeyError> {
        self.switch.pass().await?;
        self.kms.delete_kek(tenant).await
    }

    async fn health(&self) -> Result<(), KeyError> {
        self.switch.pass().await
    }

    async fn close(&self) -> Result<(), KeyError> {
        self.switch.close().await
    }
}
