//! The bodies of a batch: told apart by their first bytes, authenticated and decrypted together.

use std::sync::Arc;

use bytes::Bytes;
use sealmq_crypto_core::format::{Frame, Marker, dearmour, find_marker};
use sealmq_crypto_core::{
    CryptoError, CryptoErrorKind, CryptoProvider, EncryptedMessage, EncryptionContext,
    OpenedMessage, PlaintextVerdict,
};
use sealmq_queue_core::Message;

use crate::bound::{BOUND_ATTRIBUTE, context_of};
use crate::queue::QueueContext;

/// A body that was opened, before age and replay of its message were judged.
pub(crate) enum Opened {
    Plain(PlaintextVerdict),
    Sealed { sealed: OpenedMessage, bound: String },
}

/// A message that was told apart: a plaintext, or a frame and what it is bound to.
enum Marked {
    Plain(PlaintextVerdict),
    Sealed { frame: EncryptedMessage, context: EncryptionContext, bound: String },
}

/// Bodies that are to be opened together; the messages are not needed for it any more.
pub(crate) struct Bodies {
    /// In the order of the messages; `None` for the next frame.
    marked: Vec<Result<Option<Opened>, CryptoError>>,
    frames: Vec<EncryptedMessage>,
    /// What each frame is bound to, and the names of the attributes that it is bound to.
    bound: Vec<(EncryptionContext, String)>,
    crypto: Option<Arc<dyn CryptoProvider>>,
}

impl QueueContext {
    /// The bodies of these messages, told apart.
    pub(crate) fn bodies<'a>(&self, messages: impl Iterator<Item = &'a Message>) -> Bodies {
        let (count, _) = messages.size_hint();
        let (frames, bound, crypto) = (Vec::new(), Vec::new(), self.shared.crypto.clone());
        let mut bodies = Bodies { marked: Vec::with_capacity(count), frames, bound, crypto };
        for message in messages {
            let marked = self.mark(message).map(|marked| match marked {
                Marked::Plain(verdict) => Some(Opened::Plain(verdict)),
                Marked::Sealed { frame, context, bound } => {
                    if bodies.frames.is_empty() {
                        bodies.frames.reserve_exact(count);
                        bodies.bound.reserve_exact(count);
                    }
                    bodies.frames.push(frame);
                    bodies.bound.push((context, bound));
                    None
                }
            });
            bodies.marked.push(marked);
        }
        bodies
    }

    /// Tells a frame from a plaintext by its first bytes alone, so that a policy that refuses
    /// plaintexts does so before anything parses them.
    fn mark(&self, message: &Message) -> Result<Marked, CryptoError> {
        let frame = match find_marker(&message.body) {
            Marker::None => {
                let now_ms = self.shared.clock.unix_ms();
                return self.shared.config.check_received_plaintext(now_ms).map(Marked::Plain);
            }
            Marker::Binary => message.body.clone(),
            Marker::Armoured => Bytes::from(dearmour(&message.body)?),
        };
        let frame = EncryptedMessage::parse(frame)?;
        let bound = message.attributes.get(BOUND_ATTRIBUTE).cloned().unwrap_or_default();
        // Metadata that is no context at all is not what was sealed.
        let context = context_of(&self.scope, message, &bound)
            .map_err(|_| CryptoError::new(CryptoErrorKind::AuthenticationFailed))?;
        Ok(Marked::Sealed { frame, context, bound })
    }
}

impl Bodies {
    /// Authenticates and decrypts the sealed ones together, each for itself.
    pub(crate) async fn open(self) -> Vec<Result<Opened, CryptoError>> {
        let Self { marked, frames, bound, crypto } = self;
        let decrypted = match &crypto {
            _ if frames.is_empty() => Vec::new(),
            Some(crypto) => {
                let contexts = bound.iter().map(|(context, _)| context);
                crypto.decrypt_batch(frames.into_iter().zip(contexts).collect()).await
            }
            None => frames.iter().map(|frame| Err(no_keys(frame))).collect(),
        };
        let mut decrypted = decrypted.into_iter().zip(bound);
        let outcome = |marked: Result<_, _>| match marked? {
            Some(plain) => Ok(plain),
            None => {
                let (sealed, (_, bound)) = decrypted.next().ok_or_else(no_answer)?;
                Ok(Opened::Sealed { sealed: sealed?, bound })
            }
        };
        marked.into_iter().map(outcome).collect()
    }

    /// As [`Bodies::open`], of one message.
    pub(crate) async fn open_one(self) -> Result<Opened, CryptoError> {
        self.open().await.pop().unwrap_or_else(|| Err(no_answer()))
    }
}

/// The error of a sealed message that meets a client without any keys.
fn no_keys(frame: &EncryptedMessage) -> CryptoError {
    let named =
        Frame::parse(frame.as_bytes()).map(|frame| frame.key_reference().label().to_owned());
    named.map_or_else(
        |error| error,
        |key_id| CryptoError::new(CryptoErrorKind::KeyNotFound { key_id }),
    )
}

/// The crypto provider broke its contract and left a message out.
pub(crate) fn no_answer() -> CryptoError {
    CryptoError::unavailable("the crypto provider did not answer for this message")
}
