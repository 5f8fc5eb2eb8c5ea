//! The way in: the keys that frames name, each looked up once, and the bodies.

use std::sync::Arc;

use futures_util::future::join_all;

use super::AesGcmCryptoProvider;
use crate::context::EncryptionContext;
use crate::crypto_provider::OpenedMessage;
use crate::encrypted_message::EncryptedMessage;
use crate::error::{CryptoError, CryptoErrorKind, opening_error};
use crate::format::{Frame, KeyReference};
use crate::keys::{KeyError, KeyErrorKind};
use crate::message_key::{AuthenticatedHeader, MessageKey};

/// A frame, or why it is none, and what its message is bound to.
type Parsed<'a> = (Result<Frame<'a>, CryptoError>, &'a EncryptionContext);

/// Whether two frames name the same key, in the same suite and scope.
fn same_key((a, a_context): &Parsed<'_>, (b, b_context): &Parsed<'_>) -> bool {
    let (Ok(a), Ok(b)) = (a, b) else { return false };
    a.suite() == b.suite()
        && a.key_reference() == b.key_reference()
        && a_context.scope() == b_context.scope()
}

impl AesGcmCryptoProvider {
    pub(super) async fn open_batch(
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

    pub(super) async fn opening_key(
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

    /// Opens a copy: the ciphertext stays as it is, for a dead-letter queue.
    pub(super) fn open(
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
