//! The way out: one key and one call to the kernel for a run of bodies.

use std::sync::Arc;

use super::AesGcmCryptoProvider;
use crate::context::EncryptionContext;
use crate::crypto_provider::SealRequest;
use crate::encrypted_message::EncryptedMessage;
use crate::error::{CryptoError, CryptoErrorKind};
use crate::format::NONCE_LEN;
use crate::keys::{KeyError, KeyErrorKind};
use crate::message_key::MessageKey;

impl AesGcmCryptoProvider {
    pub(super) async fn sealing_key(
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

    /// Seals a run of requests of one scope: one key, one call to the kernel for all nonces.
    pub(super) async fn seal_run(
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

    pub(super) fn seal(
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
}

/// How a key error looks to the one who seals.
pub(super) fn sealing_error(error: KeyError) -> CryptoError {
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
