//! Sealing and opening bodies with keys in this process.

mod builder;
mod opening;
mod sealing;
mod sources;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::aead::AeadBackend;
use crate::clock::Clock;
use crate::context::{ContextScope, EncryptionContext};
use crate::crypto_provider::{CryptoProvider, OpenedMessage, SealRequest};
use crate::encrypted_message::EncryptedMessage;
use crate::error::CryptoError;
use crate::format::{Frame, KEY_REFERENCE_OFFSET, MAX_KEY_ID_LEN, NONCE_LEN, TAG_LEN};
use crate::kdf::COMMITMENT_LEN;
use crate::keyring::{Keyring, NamedKeys};
use crate::random::EntropySource;
use crate::suite::Suite;

pub use builder::AesGcmCryptoProviderBuilder;

/// Seals and opens in this process, with AES-256-GCM (suite 0x01) or ChaCha20-Poly1305 (0x02).
pub struct AesGcmCryptoProvider {
    named: Option<NamedKeys>,
    keyring: Option<Keyring>,
    suite: Suite,
    accepted_suites: Vec<Suite>,
    backend: AeadBackend,
    fips: bool,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn EntropySource>,
}

#[async_trait]
impl CryptoProvider for AesGcmCryptoProvider {
    async fn encrypt(
        &self,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<EncryptedMessage, CryptoError> {
        let mut nonce = [0; NONCE_LEN];
        let key = self.sealing_key(&[SealRequest { plaintext, context }]).await?;
        self.entropy.fill(&mut nonce)?;
        self.seal(&key, plaintext, context, self.clock.unix_ms(), &nonce)
    }

    async fn encrypt_batch(
        &self,
        requests: &[SealRequest<'_>],
    ) -> Vec<Result<EncryptedMessage, CryptoError>> {
        let mut sealed = Vec::with_capacity(requests.len());
        for run in requests.chunk_by(|a, b| a.context.scope() == b.context.scope()) {
            self.seal_run(run, &mut sealed).await;
        }
        sealed
    }

    async fn decrypt(
        &self,
        message: EncryptedMessage,
        context: &EncryptionContext,
    ) -> Result<OpenedMessage, CryptoError> {
        let frame = Frame::parse(message.as_bytes())?;
        let key = self.opening_key(&frame, context).await?;
        self.open(&key, &message, &frame, context)
    }

    async fn decrypt_batch(
        &self,
        messages: Vec<(EncryptedMessage, &EncryptionContext)>,
    ) -> Vec<Result<OpenedMessage, CryptoError>> {
        self.open_batch(messages).await
    }

    async fn self_test(&self, scope: &Arc<ContextScope>) -> Result<(), CryptoError> {
        self.test_sources(scope).await
    }

    async fn health(&self) -> Result<(), CryptoError> {
        self.health_of_sources().await
    }

    async fn any_source_answers(&self) -> bool {
        self.any_of_sources_answers().await
    }

    fn seals_from_cache(&self, scope: &ContextScope) -> bool {
        match (&self.keyring, &self.named) {
            (Some(keyring), _) => {
                scope.wrap_context().is_ok_and(|context| keyring.seals_from_cache(context))
            }
            (None, Some(named)) => named.seals_from_cache(),
            (None, None) => false,
        }
    }

    async fn close(&self) -> Result<(), CryptoError> {
        self.close_sources().await
    }

    fn max_overhead_bytes(&self) -> usize {
        let reference = match &self.keyring {
            Some(keyring) => keyring.max_reference_len(),
            None => 1 + MAX_KEY_ID_LEN,
        };
        KEY_REFERENCE_OFFSET + reference + COMMITMENT_LEN + TAG_LEN
    }
}

impl fmt::Debug for AesGcmCryptoProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AesGcmCryptoProvider")
            .field("suite", &self.suite)
            .field("backend", &self.backend)
            .field("named_keys", &self.named.is_some())
            .field("keyring", &self.keyring)
            .finish_non_exhaustive()
    }
}
