//! Sealing and opening with sealmq: with a key at hand, and through the provider that finds it.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;
use sealmq_crypto_core::{
    AeadBackend, AesGcmCryptoProvider, ContextScope, CryptoError, CryptoProvider, EncryptedMessage,
    EncryptionContext, EncryptionKey, EncryptionKeyId, KeyError, KeyProvider, KeyringPolicy,
    MessageKey, NamedKeys, SealRequest, Suite,
};

use crate::work::{OpeningByValue, OpeningInPlace, Sealing, Work};

/// Messages of a batch.
pub const BATCH: usize = 10;

const KEY_ID: &str = "orders-2026-01";
const SEALED_AT_MS: u64 = 1_767_225_600_000;

/// A store with one key, remembered like those that are asked over a network.
struct OneKey(Arc<EncryptionKey>);

#[async_trait]
impl KeyProvider for OneKey {
    async fn get_key(&self, _id: &EncryptionKeyId) -> Result<Arc<EncryptionKey>, KeyError> {
        Ok(Arc::clone(&self.0))
    }

    async fn current_key_id(&self) -> Result<EncryptionKeyId, KeyError> {
        EncryptionKeyId::new(KEY_ID)
    }

    async fn valid_key_ids(&self) -> Result<Vec<EncryptionKeyId>, KeyError> {
        Ok(vec![EncryptionKeyId::new(KEY_ID)?])
    }
}

/// A key and a context as a service has them.
#[derive(Clone)]
pub struct Service {
    key: Arc<MessageKey>,
    provider: Arc<AesGcmCryptoProvider>,
    context: EncryptionContext,
}

impl Service {
    /// A service with a named key and the default suite and back end.
    ///
    /// # Errors
    /// `KeyUnavailable` when the kernel gives no randomness.
    pub fn new() -> Result<Self, CryptoError> {
        let key = Arc::new(EncryptionKey::generate()?);
        let id = EncryptionKeyId::new(KEY_ID)
            .map_err(|error| CryptoError::invalid_input("key_id", error.to_string()))?;
        let message_key = Arc::new(MessageKey::named(&id, &key)?);
        let named = NamedKeys::new(Arc::new(OneKey(key)), &KeyringPolicy::default())?;
        let provider = Arc::new(AesGcmCryptoProvider::builder().named_keys(named).build()?);
        let scope = Arc::new(ContextScope::new(Some("prod"), Some("acme"), "orders")?);
        let context = EncryptionContext::builder(&scope, "0198f0c2-7a51-7cc3-9e86-4c1f5d0b7a11")
            .message_type(Some("order.created"))
            .content_type(Some("application/json"))
            .build()?;
        Ok(Self { key: message_key, provider, context })
    }

    fn seal_one(&self, body: &[u8]) -> Vec<u8> {
        let (suite, backend) = (Suite::default(), AeadBackend::default());
        let sealed = self.key.seal(suite, backend, body, &self.context, SEALED_AT_MS);
        sealed.unwrap_or_else(|error| unreachable!("sealing: {error}"))
    }

    /// Bytes that sealing adds.
    pub fn bytes_added(&self) -> usize {
        self.seal_one(&[]).len()
    }

    /// `MessageKey::seal`.
    pub fn seal(&self, body: Vec<u8>) -> Box<dyn Work> {
        let service = self.clone();
        Box::new(Sealing(move || service.seal_one(&body)))
    }

    /// `MessageKey::open_in_place`.
    pub fn open(&self, body: &[u8]) -> Box<dyn Work> {
        let service = self.clone();
        Box::new(OpeningInPlace::new(self.seal_one(body), move |frame: &mut [u8]| {
            let backend = AeadBackend::default();
            assert!(service.key.open_in_place(backend, frame, &service.context).is_ok());
        }))
    }

    /// `CryptoProvider::encrypt`.
    pub fn encrypt(&self, body: Vec<u8>) -> Box<dyn Work> {
        let service = self.clone();
        Box::new(Sealing(move || ready(service.provider.encrypt(&body, &service.context))))
    }

    /// `CryptoProvider::encrypt_batch` of [`BATCH`] messages.
    pub fn encrypt_batch(&self, body: Vec<u8>) -> Box<dyn Work> {
        let service = self.clone();
        Box::new(Sealing(move || {
            let request = SealRequest { plaintext: &body, context: &service.context };
            let sealed = service.provider.encrypt_batch(&[request; BATCH]).now_or_never();
            let sealed = sealed.unwrap_or_else(|| unreachable!("the key is cached"));
            assert!(sealed.iter().all(Result::is_ok));
            sealed
        }))
    }

    /// `CryptoProvider::decrypt` of a message that nobody else holds.
    pub fn decrypt(&self, body: &[u8]) -> Box<dyn Work> {
        let (service, sealed) = (self.clone(), self.seal_one(body));
        let len = sealed.len();
        let receive = Box::new(move || {
            let parsed = EncryptedMessage::parse(sealed.clone());
            parsed.unwrap_or_else(|error| unreachable!("parsing: {error}"))
        });
        Box::new(OpeningByValue::new(len, receive, move |message| {
            ready(service.provider.decrypt(message, &service.context)).danger_release_at_any_age()
        }))
    }
}

/// The outcome of a future that has nothing to wait for, because its key is cached.
fn ready<T>(future: impl Future<Output = Result<T, CryptoError>>) -> T {
    match future.now_or_never() {
        Some(Ok(outcome)) => outcome,
        Some(Err(error)) => unreachable!("{error}"),
        None => unreachable!("the key is cached"),
    }
}
