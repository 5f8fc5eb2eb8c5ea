//! Sealing and opening bodies: the trait, and what goes in and out of it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::config::Freshness;
use crate::context::{ContextScope, EncryptionContext};
use crate::encrypted_message::{EncryptedMessage, Nonce};
use crate::error::CryptoError;
use crate::probe;

/// One body to seal. `Debug` shows the body's length alone.
#[derive(Clone, Copy)]
pub struct SealRequest<'a> {
    /// The body.
    pub plaintext: &'a [u8],
    /// What it is bound to.
    pub context: &'a EncryptionContext,
}

impl fmt::Debug for SealRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealRequest")
            .field("plaintext_bytes", &self.plaintext.len())
            .field("context", self.context)
            .finish()
    }
}

/// A message that was authenticated and decrypted, and is not released yet: its age is still to
/// be judged.
pub struct OpenedMessage {
    plaintext: Bytes,
    encrypted_at_ms: u64,
    nonce: Nonce,
    key_label: Arc<str>,
}

impl OpenedMessage {
    /// An opened message, for implementations of [`CryptoProvider`]; `key_label` is the key id or
    /// KEK alias.
    pub fn new(plaintext: Bytes, sealed: &EncryptedMessage, key_label: Arc<str>) -> Self {
        let (encrypted_at_ms, nonce) = (sealed.encrypted_at_ms(), sealed.nonce());
        Self { plaintext, encrypted_at_ms, nonce, key_label }
    }

    /// When it was sealed, in Unix milliseconds; authentic.
    pub fn encrypted_at_ms(&self) -> u64 {
        self.encrypted_at_ms
    }

    /// Its nonce, the replay id; authentic.
    pub fn nonce(&self) -> Nonce {
        self.nonce
    }

    /// The id of the key that opened it, or the alias of its KEK.
    pub fn key_label(&self) -> &Arc<str> {
        &self.key_label
    }

    /// The body, if the message is fresh enough.
    ///
    /// # Errors
    /// `MessageExpired` or `MessageFromFuture`, with the time and the limit.
    pub fn release(self, freshness: &Freshness, now_ms: u64) -> Result<Bytes, CryptoError> {
        freshness.check(self.encrypted_at_ms, now_ms)?;
        Ok(self.plaintext)
    }

    /// The body, however old the message is: for dead-letter queues and for queues whose policy
    /// sets no maximum age. A replay can be of any age.
    pub fn danger_release_at_any_age(self) -> Bytes {
        self.plaintext
    }
}

impl fmt::Debug for OpenedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenedMessage")
            .field("plaintext_bytes", &self.plaintext.len())
            .field("encrypted_at_ms", &self.encrypted_at_ms)
            .field("key", &self.key_label)
            .finish_non_exhaustive()
    }
}

/// Seals and opens message bodies.
///
/// # Contract
/// - A sealed message opens only under an equal [`EncryptionContext`] and the key it was sealed
///   with; anything else is `AuthenticationFailed`, without a byte of plaintext.
/// - Batches are index-aligned, and one bad message does not fail its batch.
/// - Keys are looked up by what the frame names among the receiver's own; no key is tried out.
#[async_trait]
pub trait CryptoProvider: Send + Sync {
    /// Seals one body.
    ///
    /// # Errors
    /// `KeyUnavailable` (retryable) when no key can be had; `KeyNotFound` when there is none;
    /// `InvalidInput` when the body is over a cap.
    async fn encrypt(
        &self,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<EncryptedMessage, CryptoError>;

    /// Authenticates and decrypts one message.
    ///
    /// # Errors
    /// `AuthenticationFailed`, `KeyNotFound`, `Unsupported`: permanent, they are about the
    /// message. `KeyUnavailable`: retryable, it is not.
    async fn decrypt(
        &self,
        message: EncryptedMessage,
        context: &EncryptionContext,
    ) -> Result<OpenedMessage, CryptoError>;

    /// The most bytes by which a sealed body is longer than its plaintext, for any key that may be
    /// used: a rotation never makes a message too large.
    fn max_overhead_bytes(&self) -> usize;

    /// Seals a batch.
    async fn encrypt_batch(
        &self,
        requests: &[SealRequest<'_>],
    ) -> Vec<Result<EncryptedMessage, CryptoError>> {
        let mut sealed = Vec::with_capacity(requests.len());
        for request in requests {
            sealed.push(self.encrypt(request.plaintext, request.context).await);
        }
        sealed
    }

    /// Opens a batch.
    async fn decrypt_batch(
        &self,
        messages: Vec<(EncryptedMessage, &EncryptionContext)>,
    ) -> Vec<Result<OpenedMessage, CryptoError>> {
        let mut opened = Vec::with_capacity(messages.len());
        for (message, context) in messages {
            opened.push(self.decrypt(message, context).await);
        }
        opened
    }

    /// Seals and opens a body of its own in this scope, with keys that their source gives now:
    /// what a cache holds proves nothing. It may cost as many requests as the first message of a
    /// scope, and creates what that would. The default seals and opens as any message.
    ///
    /// # Errors
    /// As [`CryptoProvider::encrypt`]; `AuthenticationFailed` when what was sealed does not open,
    /// or not to what was sealed.
    async fn self_test(&self, scope: &Arc<ContextScope>) -> Result<(), CryptoError> {
        let context = probe::context(scope)?;
        let sealed = self.encrypt(probe::BODY, &context).await?;
        let opened = self.decrypt(sealed, &context).await?;
        probe::check(&opened.danger_release_at_any_age())
    }

    /// Asks the sources of the keys whether they answer, as cheaply as they can be asked. The
    /// default asks nobody and says that they do.
    ///
    /// # Errors
    /// `KeyUnavailable`, with the source's own error behind it.
    async fn health(&self) -> Result<(), CryptoError> {
        Ok(())
    }

    /// Whether any source of keys answers: while none does, there is no use in asking for the key of
    /// one more message. The default says what [`CryptoProvider::health`] does.
    async fn any_source_answers(&self) -> bool {
        self.health().await.is_ok()
    }

    /// Whether a message of this scope can be sealed now without asking for a key. The default
    /// says that it cannot.
    fn seals_from_cache(&self, _scope: &ContextScope) -> bool {
        false
    }

    /// Whether a batch is opened by fewer calls to a service than its messages are one by one: one
    /// that takes long is waited for then, and its messages are not opened by themselves. The
    /// default says that it is not.
    fn batches_share_calls(&self) -> bool {
        false
    }

    /// Forgets all keys and ends the sessions with their sources. Later calls may fail; repeating
    /// it is fine. The default has nothing to end.
    ///
    /// # Errors
    /// `KeyUnavailable` when a source could not be told; the sessions are over all the same.
    async fn close(&self) -> Result<(), CryptoError> {
        Ok(())
    }
}
