//! Sealing and opening bodies with keys in this process.

mod builder;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::{join, join_all};

use crate::aead::AeadBackend;
use crate::clock::Clock;
use crate::context::{ContextScope, EncryptionContext};
use crate::crypto_provider::{CryptoProvider, OpenedMessage, SealRequest};
use crate::encrypted_message::EncryptedMessage;
use crate::error::{CryptoError, CryptoErrorKind, opening_error};
use crate::format::{
    Frame, KEY_REFERENCE_OFFSET, KeyReference, MAX_KEY_ID_LEN, NONCE_LEN, TAG_LEN,
};
use crate::kdf::COMMITMENT_LEN;
use crate::keyring::{Keyring, NamedKeys};
use crate::keys::{KeyError, KeyErrorKind};
use crate::message_key::{AuthenticatedHeader, MessageKey};
use crate::probe;
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

impl AesGcmCryptoProvider {
    async fn sealing_key(
        &self,
        requests: &[SealRequest<'_>],
    ) -> Result<Arc<MessageKey>, CryptoError> {
        let key = match (&self.keyring, &self.named) {
            (Some(keyring), _) => {
                let bytes = requests.iter().map(|request| request.plaintext.len() as u64).sum();
                let context = requests[0].context.scope().wrap_context().map_err(sealing_error)?;
                keyring.sealing_key(context, self.suite, requests.len() as u64, bytes).await
            }
            (None, Some(named)) => named.sealing_key().await,
            (None, None) => Err(KeyError::new(KeyErrorKind::KeyNotFound, "no key source")),
        };
        key.map_err(sealing_error)
    }

    async fn opening_key(
        &self,
        frame: &Frame<'_>,
        context: &EncryptionContext,
    ) -> Result<Arc<MessageKey>, CryptoError> {
        let suite = frame.suite();
        if !self.accepted_suites.contains(&suite) {
            let kind = CryptoErrorKind::Unsupported { field: "suite", value: suite.id() };
            return Err(CryptoError::new(kind));
        }
        let reference = frame.key_reference();
        let not_found = || KeyError::new(KeyErrorKind::KeyNotFound, "no such key source");
        let key = match reference {
            KeyReference::Named(key_id) => match &self.named {
                Some(named) => named.opening_key(key_id).await,
                None => Err(not_found()),
            },
            KeyReference::Wrapped(wrapped) => match &self.keyring {
                Some(keyring) => match context.scope().wrap_context() {
                    Ok(wrap_context) => keyring.opening_key(wrap_context, suite, wrapped).await,
                    Err(error) => Err(error),
                },
                None => Err(not_found()),
            },
        };
        key.map_err(|error| opening_error(error, reference))
    }

    /// Seals a run of requests of one scope: one key, one call to the kernel for all nonces.
    async fn seal_run(
        &self,
        run: &[SealRequest<'_>],
        sealed: &mut Vec<Result<EncryptedMessage, CryptoError>>,
    ) {
        let prepared = async {
            let key = self.sealing_key(run).await?;
            let mut nonces = vec![0; run.len() * NONCE_LEN];
            self.entropy.fill(&mut nonces)?;
            Ok::<_, CryptoError>((key, nonces))
        };
        let (key, nonces) = match prepared.await {
            Ok(prepared) => prepared,
            Err(error) => return sealed.extend(run.iter().map(|_| Err(error.clone()))),
        };
        let now_ms = self.clock.unix_ms();
        let (nonces, _) = nonces.as_chunks::<NONCE_LEN>();
        for (request, nonce) in run.iter().zip(nonces) {
            let SealRequest { plaintext, context } = *request;
            sealed.push(self.seal(&key, plaintext, context, now_ms, nonce));
        }
    }

    fn seal(
        &self,
        key: &MessageKey,
        plaintext: &[u8],
        context: &EncryptionContext,
        now_ms: u64,
        nonce: &[u8; NONCE_LEN],
    ) -> Result<EncryptedMessage, CryptoError> {
        let (suite, backend) = (self.suite, self.backend);
        let frame = key.seal_with_nonce(suite, backend, plaintext, context, now_ms, nonce)?;
        Ok(EncryptedMessage::sealed(frame, suite, now_ms, nonce))
    }

    /// Opens a copy: the ciphertext stays as it is, for a dead-letter queue.
    fn open(
        &self,
        key: &MessageKey,
        message: &EncryptedMessage,
        frame: &Frame<'_>,
        context: &EncryptionContext,
    ) -> Result<OpenedMessage, CryptoError> {
        let mut body = frame.sealed().to_vec();
        let header = AuthenticatedHeader::of(frame);
        let plaintext_len = key.open_sealed(self.backend, &header, &mut body, context)?.len();
        body.truncate(plaintext_len);
        Ok(OpenedMessage::new(body.into(), message, key.shared_label()))
    }
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
        let frames: Vec<_> = messages
            .iter()
            .map(|(message, context)| (Frame::parse(message.as_bytes()), *context))
            .collect();
        // Messages of one sender name the same key one after the other: it is looked up once. The
        // keys of several senders are asked for side by side.
        let runs = || frames.chunk_by(same_key);
        let key_of = async |run: &[Parsed<'_>]| match &run[0] {
            (Ok(frame), context) => self.opening_key(frame, context).await,
            (Err(error), _) => Err(error.clone()),
        };
        let keys = match (runs().next(), runs().nth(1)) {
            (Some(only), None) => vec![key_of(only).await],
            _ => join_all(runs().map(key_of)).await,
        };
        let mut opened = Vec::with_capacity(messages.len());
        let mut messages = messages.iter();
        for (run, key) in runs().zip(keys) {
            for ((frame, context), (message, _)) in run.iter().zip(messages.by_ref()) {
                opened.push(match (frame, &key) {
                    (Ok(frame), Ok(key)) => self.open(key, message, frame, context),
                    (Err(error), _) | (_, Err(error)) => Err(error.clone()),
                });
            }
        }
        opened
    }

    async fn self_test(&self, scope: &Arc<ContextScope>) -> Result<(), CryptoError> {
        let context = probe::context(scope)?;
        let keys = match (&self.keyring, &self.named) {
            (Some(keyring), _) => {
                let wrap_context = scope.wrap_context().map_err(sealing_error)?;
                keyring.round_trip(wrap_context).await
            }
            (None, Some(named)) => named.read_current().await.map(|key| vec![key]),
            (None, None) => Err(KeyError::new(KeyErrorKind::KeyNotFound, "no key source")),
        };
        let keys = keys.map_err(sealing_error)?;
        let Some(sealing) = keys.first() else { return Err(CryptoError::authentication_failed()) };
        let now_ms = self.clock.unix_ms();
        let frame = sealing.seal(self.suite, self.backend, probe::BODY, &context, now_ms)?;
        keys.iter().try_for_each(|key| {
            probe::check(key.open_in_place(self.backend, &mut frame.clone(), &context)?)
        })
    }

    async fn health(&self) -> Result<(), CryptoError> {
        let keyring = async {
            match &self.keyring {
                Some(keyring) => keyring.health().await,
                None => Ok(()),
            }
        };
        let named = async {
            match &self.named {
                Some(named) => named.health().await,
                None => Ok(()),
            }
        };
        let (keyring, named) = join(keyring, named).await;
        keyring.and(named).map_err(CryptoError::unavailable)
    }

    async fn any_source_answers(&self) -> bool {
        let keyring = async {
            match &self.keyring {
                Some(keyring) => keyring.any_service_answers().await,
                None => false,
            }
        };
        let named = async {
            match &self.named {
                Some(named) => named.health().await.is_ok(),
                None => false,
            }
        };
        let (keyring, named) = join(keyring, named).await;
        keyring || named
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
        let keyring = match &self.keyring {
            Some(keyring) => keyring.close().await,
            None => Ok(()),
        };
        let named = match &self.named {
            Some(named) => named.close().await,
            None => Ok(()),
        };
        keyring.and(named).map_err(CryptoError::unavailable)
    }

    fn max_overhead_bytes(&self) -> usize {
        let reference = match &self.keyring {
            Some(keyring) => keyring.max_reference_len(),
            None => 1 + MAX_KEY_ID_LEN,
        };
        KEY_REFERENCE_OFFSET + reference + COMMITMENT_LEN + TAG_LEN
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
}

/// A frame, or why it is none, and what its message is bound to.
type Parsed<'a> = (Result<Frame<'a>, CryptoError>, &'a EncryptionContext);

/// Whether two frames name the same key, in the same suite and scope.
fn same_key((a, a_context): &Parsed<'_>, (b, b_context): &Parsed<'_>) -> bool {
    let (Ok(a), Ok(b)) = (a, b) else { return false };
    a.suite() == b.suite()
        && a.key_reference() == b.key_reference()
        && a_context.scope() == b_context.scope()
}

/// How a key error looks to the one who seals.
fn sealing_error(error: KeyError) -> CryptoError {
    match error.kind() {
        KeyErrorKind::InvalidInput { field } => {
            CryptoError::invalid_input(field, error.to_string())
        }
        KeyErrorKind::KeyNotFound => {
            CryptoError::new(CryptoErrorKind::KeyNotFound { key_id: "current".to_owned() })
        }
        _ => CryptoError::unavailable(error),
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
